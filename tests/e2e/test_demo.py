"""The three demonstrations hold, as anybody can see them with one command."""

from pathlib import Path

import pytest

from tests.support.machine import continuo

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["consistency", "resume", "devices"])
async def test_a_demonstration_holds_on_fresh_services(tmp_path: Path, name: str) -> None:
    shown = continuo(tmp_path, "demo", name, within_s=240)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert f"== {name}: held" in shown.stdout
    assert "FAILED" not in shown.stdout


async def test_an_unknown_demonstration_is_refused(tmp_path: Path) -> None:
    shown = continuo(tmp_path, "demo", "flight")
    assert shown.returncode == 2
    assert "none of consistency, resume, devices" in shown.stderr
