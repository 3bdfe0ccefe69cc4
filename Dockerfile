# The bot in a container: docker build -t fsessions . && docker run --env-file .env -p 3000:3000 fsessions
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv --without-pip /opt/fsessions
COPY requirements.txt requirements-dev.txt ./
# From the lock files; flit-core builds the package.
RUN pip --python /opt/fsessions/bin/python install --no-cache-dir --no-compile --require-hashes -r requirements.txt \
 && sed -n '/^flit-core==/,/# via/p' requirements-dev.txt > build.txt \
 && pip install --no-cache-dir --require-hashes -r build.txt
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
RUN pip --python /opt/fsessions/bin/python install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
# Not root, and without write access to the image.
RUN useradd --system --uid 10001 --user-group --no-create-home fsessions
COPY --from=build /opt/fsessions /opt/fsessions
ENV PATH=/opt/fsessions/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=3000
USER 10001
WORKDIR /
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/healthz\", timeout=4)"]
ENTRYPOINT ["fsessions"]
CMD ["serve"]
