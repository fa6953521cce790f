"""`continuo up --observe` with a real Prometheus: it scrapes all, judges every rule, shows pages."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from observability.alerts import OPERATOR
from observability.rules import groups
from tests.support.machine import Machine, continuo
from tests.support.prometheus import programs
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
async def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Machine]:
    monkeypatch.setenv("PATH", str(programs()), prepend=":")
    started = Machine(tmp_path / "home", words=("--observe",))
    try:
        await started.ready()
        yield started
    finally:
        started.end()


async def test_every_service_is_scraped_and_every_rule_judged(machine: Machine) -> None:
    [line] = [line for line in machine.printed if line.startswith("Prometheus is at ")]
    address, alerts = re.findall(r"http://[^ ,]+", line)
    said = continuo(machine.home, "chat", "--user", "alice", typed="hello\n")
    assert said.returncode == 0, said.stdout
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=30) as client:

        async def asked(path: str, **words: str) -> list[dict[str, object]]:
            data = (await client.get(f"/api/v1/{path}", params=words)).json()["data"]
            return list(data["result"] if "result" in data else data["groups"])

        async def scraped() -> bool:
            up = await asked("query", query="sum by (job) (up)")
            return [one["value"][1] for one in up] == ["4"]  # type: ignore[index]

        await eventually(scraped, within_s=60, every_s=0.5)
        sends = 'sum by (job) (continuo_sends_total{job="continuo"}) > 0'
        await eventually(lambda: asked("query", query=sends), within_s=60, every_s=0.5)
        for page in (address, alerts):
            shown = await client.get(page, follow_redirects=True)
            assert shown.status_code == 200, (page, shown.text)
            parts = re.findall(r"""(?:script src|stylesheet" href)="([^"]+)""", shown.text)
            missing = [part for part in parts if (await client.get(part)).status_code != 200]
            assert missing == [], page
        judged = await asked("rules")
        assert {one["name"] for one in judged} == {each["name"] for each in groups()} - {OPERATOR}
    assert machine.end() == 0
    assert machine.descendants() == []
