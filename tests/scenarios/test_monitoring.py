"""The dashboard and the alerts in `deploy/`, with the metrics of a running bot and Prometheus."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import yaml

from bot.sandbox.fullstory import FullstorySandbox
from bot.service import Service
from tests.conftest import QUICK, Logged, StartBot
from tests.programs import ROOT
from tests.scenarios.test_health import serving

ALERTS: Final = ROOT / "deploy" / "alerts.yml"
DASHBOARD: Final = ROOT / "deploy" / "grafana-dashboard.json"
PROMETHEUS: Final = shutil.which("prometheus") or ""
needs_prometheus = pytest.mark.skipif(not PROMETHEUS, reason="Prometheus is not installed")


async def metrics(port: int) -> str:
    """Return what is served."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{port}/metrics") as response,
    ):
        return await response.text()


def metrics_port(logged: Logged) -> int:
    """Return where they are served."""
    return int(next(line["port"] for line in logged() if line["event"] == "metrics"))


def names_in(text: str) -> set[str]:
    """Return the metrics that queries use, without what a histogram appends."""
    return {re.sub(r"_(bucket|sum|count)$", "", one) for one in re.findall(r"fsessions_\w+", text)}


async def test_every_metric_exists(start_bot: StartBot, logged: Logged) -> None:
    """A name that changes would leave an alert that never fires."""
    async with start_bot(metrics_port=0):
        served = await metrics(metrics_port(logged))
    families = dict(re.findall(r"^# TYPE (fsessions_\w+) (\w+)$", served, re.MULTILINE))
    del families["fsessions_lookup_seconds_created"]  # the library's own
    rules = [
        one for group in yaml.safe_load(ALERTS.read_text())["groups"] for one in group["rules"]
    ]
    panels = json.loads(DASHBOARD.read_text())["panels"]
    shown = [target["expr"] for panel in panels for target in panel["targets"]]
    for expressions in ([rule["expr"] for rule in rules], shown):
        assert names_in(" ".join(expressions)) <= families.keys()
    # The dashboard shows everything that there is.
    assert names_in(" ".join(shown)) == families.keys()
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in families.items())
    assert all(rule["annotations"]["summary"] for rule in rules)


@asynccontextmanager
async def prometheus(folder: Path, target: int, rules: Path) -> AsyncIterator[str]:
    """Yield the address of a Prometheus that scrapes a bot every fifth of a second."""
    config = {
        "global": {"scrape_interval": "200ms", "evaluation_interval": "200ms"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {"job_name": "fsessions", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        ],
    }
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        PROMETHEUS,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


def _free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def asked(address: str, path: str) -> dict[str, Any]:
    """Return what Prometheus answers; {} while it starts."""
    try:
        async with aiohttp.ClientSession() as http, http.get(f"{address}/api/v1/{path}") as reply:
            document: dict[str, Any] = (await reply.json())["data"]
            return document
    except (aiohttp.ClientError, KeyError):
        return {}


@needs_prometheus
async def test_the_rules_are_valid() -> None:
    """By Prometheus's own tool."""
    process = await asyncio.create_subprocess_exec("promtool", "check", "rules", str(ALERTS))
    assert await process.wait() == 0


@needs_prometheus
async def test_an_alert_fires(
    start_bot: StartBot, fullstory: FullstorySandbox, logged: Logged, tmp_path: Path
) -> None:
    """Fullstory refuses the key: a real Prometheus says so, before a person does."""
    rules = tmp_path / "alerts.yml"
    rules.write_text(re.sub(r"\n +for: \w+", "", ALERTS.read_text()))  # no one waits for minutes
    async with start_bot(replace(QUICK, health=0.05), metrics_port=0) as service:
        await _fires(service, fullstory, rules, metrics_port(logged), tmp_path)


async def _fires(
    service: Service, fullstory: FullstorySandbox, rules: Path, port: int, folder: Path
) -> None:
    async with serving(service), prometheus(folder, port, rules) as address, asyncio.timeout(60):
        while not (await asked(address, "query?query=fsessions_fullstory_key_accepted==1")).get(
            "result"
        ):
            await asyncio.sleep(0.1)
        while await _firing(address) != []:  # before the first scrape, the bot seemed to be down
            await asyncio.sleep(0.1)
        fullstory.key = "another"
        while not (firing := await _firing(address)):
            await asyncio.sleep(0.1)
        assert firing == ["FsessionsFullstoryKeyRejected"]


async def _firing(address: str) -> list[str]:
    alerts = (await asked(address, "alerts")).get("alerts", [])
    return [one["labels"]["alertname"] for one in alerts if one["state"] == "firing"]
