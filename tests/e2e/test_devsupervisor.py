"""The development image's supervisor, as a process: changed source drains the service and starts it anew."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.local.devsupervisor import changed, seen_in
from services.local.processes import Child
from tests.support.waiting import eventually

SERVICE = """
import os, signal, sys, time
from pathlib import Path

here = Path(__file__).parent
VERSION = "first"
SUPERVISOR = os.getppid()

def tell(word):
    with (here.parent / "told").open("a") as file:
        file.write(f"{VERSION} {word}\\n")

def drain(number, frame):
    tell("draining")
    if (here.parent / "slow").exists():
        return
    tell("ended")
    sys.exit(7)

signal.signal(signal.SIGTERM, drain)
tell("started")
while os.getppid() == SUPERVISOR:  # the test's end kills that
    time.sleep(0.02)
    if (here.parent / "drained").exists():
        (here.parent / "drained").unlink()
        tell("ended")
        sys.exit(0)
"""


class Stage:
    """A service of three lines under the supervisor, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "source"
        self.source.mkdir()
        self.service = self.source / "small_service.py"
        self.service.write_text(SERVICE)
        path = os.pathsep.join([str(self.source), str(Path(__file__).parents[2])])
        watching = ["--watch", str(self.source), "--look-every", "0.05"]
        argv = [sys.executable, "-m", "services.local.devsupervisor", "small_service", *watching]
        environ = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        self.supervisor = Child("supervisor", argv, folder / "log", environ)

    def told(self) -> list[str]:
        there = self.folder / "told"
        return there.read_text().splitlines() if there.exists() else []

    def change(self, old: str, new: str) -> None:
        self.service.write_text(self.service.read_text().replace(old, new))

    async def tells(self, line: str) -> None:
        await eventually(lambda: _is(line in self.told()), within_s=20.0)


async def _is(fact: bool) -> bool:
    return fact


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    stage.supervisor.start()
    await stage.tells("first started")
    yield stage
    stage.supervisor.kill()


async def test_a_change_drains_the_service_to_its_own_end_before_the_new_one_starts(stage: Stage) -> None:
    (stage.folder / "slow").touch()
    stage.change('"first"', '"second"')
    await stage.tells("first draining")
    # However long the drain takes: another change meanwhile begins nothing.
    stage.change('"second"', '"third"')
    await stage.tells("first draining")
    assert stage.told() == ["first started", "first draining"]
    (stage.folder / "drained").touch()
    await stage.tells("third started")
    assert stage.told() == ["first started", "first draining", "first ended", "third started"]


async def test_what_stops_the_supervisor_is_passed_on_and_it_ends_as_the_service_does(stage: Stage) -> None:
    stage.supervisor.signal(signal.SIGTERM)
    assert await stage.supervisor.ended(within_s=20.0)
    assert stage.supervisor.exit_code == 7
    assert stage.told() == ["first started", "first draining", "first ended"]


async def test_a_second_stop_is_passed_on_too(stage: Stage) -> None:
    (stage.folder / "slow").touch()
    stage.supervisor.signal(signal.SIGTERM)
    await stage.tells("first draining")
    (stage.folder / "slow").unlink()
    stage.supervisor.signal(signal.SIGTERM)
    assert await stage.supervisor.ended(within_s=20.0)
    assert stage.told()[-2:] == ["first draining", "first ended"]


async def test_a_service_that_breaks_is_started_again_and_a_mended_source_is_taken_up(stage: Stage) -> None:
    stage.change('tell("started")', 'tell("broke"); sys.exit(3)')
    await stage.tells("first broke")
    await eventually(lambda: _is(stage.told().count("first broke") > 1), within_s=20.0)
    stage.change('tell("broke"); sys.exit(3)', 'tell("mended")')
    await stage.tells("first mended")
    assert stage.supervisor.alive
    assert "ended with 3; starting it again in" in (stage.folder / "log").read_text()


def test_only_what_is_new_gone_or_different_counts(tmp_path: Path) -> None:
    for name in ("same.py", "gone.py", "longer.lua", "__pycache__/x.py", "made.pyc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    before = seen_in([tmp_path])
    assert {path.name for path in before} == {"same.py", "gone.py", "longer.lua"}
    (tmp_path / "gone.py").unlink()
    (tmp_path / "longer.lua").write_text("12")
    (tmp_path / "new.py").touch()
    assert [path.name for path in changed(before, seen_in([tmp_path]))] == ["gone.py", "longer.lua", "new.py"]
