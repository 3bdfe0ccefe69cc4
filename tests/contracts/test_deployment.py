"""The files for deploying name what exists, and give the bot the time that it needs.

`make deploy-check` holds them against the rules of those who read them.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from bot.settings import NAMES
from bot.timeouts import Timeouts
from tests.programs import ROOT

DRAIN = Timeouts().drain + Timeouts().shutdown_notice + 1


def of_kubernetes(kind: str) -> dict[str, Any]:
    """Return the manifest of this kind."""
    documents = yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text())
    return next(one for one in documents if one["kind"] == kind)


def test_names_of_settings() -> None:
    """Everything that is set is a setting."""
    app = json.loads((ROOT / "app.json").read_text())
    compose = yaml.safe_load((ROOT / "compose.yml").read_text())
    pod = of_kubernetes("Deployment")["spec"]["template"]["spec"]
    set_in_image = re.findall(r" ([A-Z_]+)=", (ROOT / "Dockerfile").read_text())
    names = {
        *app["env"],
        *compose["services"]["bot"]["environment"],
        *compose["services"]["migrate"]["environment"],
        *(one["name"] for one in pod["containers"][0]["env"]),
        *(name for name in set_in_image if not name.startswith(("PYTHON", "PATH"))),
        *re.findall(r"\$\$([A-Z_]+)", (ROOT / "deploy" / "fsessions.service").read_text()),
    }
    assert names <= set(NAMES)
    assert {"DATABASE_URL", "SECRET_KEYS", "HOST", "METRICS_PORT"} <= names


def test_enough_time_for_the_end() -> None:
    """No one is killed while it finishes what people wait for."""
    pod = of_kubernetes("Deployment")["spec"]["template"]["spec"]
    (sleep,) = (one["lifecycle"]["preStop"]["exec"]["command"] for one in pod["containers"])
    assert pod["terminationGracePeriodSeconds"] > DRAIN + int(sleep[1])
    compose = yaml.safe_load((ROOT / "compose.yml").read_text())
    assert int(compose["services"]["bot"]["stop_grace_period"].rstrip("s")) > DRAIN
    unit = (ROOT / "deploy" / "fsessions.service").read_text()
    stop = re.search(r"TimeoutStopSec=(\d+)", unit)
    assert stop
    assert int(stop[1]) > DRAIN


def test_probes() -> None:
    """They ask for what is served."""
    (bot,) = of_kubernetes("Deployment")["spec"]["template"]["spec"]["containers"]
    paths = {name: bot[name]["httpGet"]["path"] for name in bot if name.endswith("Probe")}
    assert paths == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz?exclude=slack&exclude=fullstory",
    }
    assert "/healthz" in (ROOT / "Dockerfile").read_text()


def test_nothing_runs_as_root() -> None:
    """Neither the image, nor the pod, nor the service."""
    assert "\nUSER 10001\n" in (ROOT / "Dockerfile").read_text()
    assert of_kubernetes("Deployment")["spec"]["template"]["spec"]["securityContext"][
        "runAsNonRoot"
    ]
    assert "\nDynamicUser=yes\n" in (ROOT / "deploy" / "fsessions.service").read_text()
