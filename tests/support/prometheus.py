"""A real Prometheus for tests: Debian's, or the one that is installed. It listens on loopback only."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from math import isnan
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from services.local.servers import free_ports
from tests.support.waiting import eventually

HOUSE = Path(__file__).parents[2]
RULES = HOUSE / "charts/continuo/files/rules.yaml"
EVERY = "1s"
WINDOW = "15s"
"""In place of Grafana's `$__rate_interval`: several scrapes, also on a machine that is late."""
STARTS_WITHIN_S = 60


def programs() -> Path:
    """The folder of prometheus and promtool. Skips where there is none: `make rules-test` fails there."""
    found = subprocess.run([".ci/prometheus"], cwd=HOUSE, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(found.stderr.strip())
    return Path(found.stdout.strip())


class Prometheus:
    """One that runs. `began`: when, in seconds since 1970."""

    def __init__(self, port: int) -> None:
        self.began = time.time()
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)

    async def close(self) -> None:
        await self._http.aclose()

    async def ready(self) -> bool:
        try:
            return (await self._http.get("/-/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def up(self) -> int:
        """How many targets were scraped well just now."""
        said = await self._ask("/api/v1/query", query="sum(up)")
        return int(float(said[0]["value"][1])) if said else 0

    async def series(self, expr: str) -> list[list[float]]:
        """The series of an expression of a dashboard, from the begin until now; NaN is no value."""
        query = expr.replace("$job", ".+").replace("$__rate_interval", WINDOW)
        said = await self._ask(
            "/api/v1/query_range", query=query, start=self.began, end=time.time(), step=EVERY
        )
        lines = [[float(value) for _, value in one["values"]] for one in said]
        return [kept for line in lines if (kept := [value for value in line if not isnan(value)])]

    async def exemplars(self, series: str) -> set[str]:
        """The traces that the buckets of a histogram name."""
        asked = {"query": series, "start": str(self.began), "end": str(time.time())}
        found = (await self._http.get("/api/v1/query_exemplars", params=asked)).json()["data"]
        return {each["labels"]["trace_id"] for one in found for each in one["exemplars"]}

    async def faulty(self) -> list[str]:
        """Rules that could not be evaluated, with what was said of them."""
        answer = (await self._http.get("/api/v1/rules")).json()["data"]["groups"]
        rules = [rule for group in answer for rule in group["rules"]]
        return [f"{rule['name']}: {rule['lastError']}" for rule in rules if rule.get("lastError")]

    async def _ask(self, path: str, **words: str | float) -> list[dict[str, Any]]:
        answer = (await self._http.post(path, data=words)).json()
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


@asynccontextmanager
async def scraping(folder: Path, ports: Mapping[str, int]) -> AsyncIterator[Prometheus]:
    """Scrape these processes as one release, with our rules, evaluated as often as it scrapes."""
    where, port = programs(), free_ports(1)[0]
    log = _prepare(folder, ports).open("wb")
    process = await asyncio.create_subprocess_exec(
        str(where / "prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        stdout=log,
        stderr=log,
    )
    log.close()
    server = Prometheus(port)
    try:
        await eventually(server.ready, within_s=STARTS_WITHIN_S, every_s=0.1)
        yield server
    finally:
        await server.close()
        process.terminate()
        await process.wait()


def _prepare(folder: Path, ports: Mapping[str, int]) -> Path:
    """Write what it reads; where it may log."""
    folder.mkdir()
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        group["interval"] = EVERY
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    targets = [f"127.0.0.1:{port}" for port in ports.values()]
    scrape = {"job_name": "continuo", "static_configs": [{"targets": targets}]}
    told = {
        "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [scrape],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(told))
    return folder / "prometheus.log"
