"""`python -m services.local.devsupervisor MODULE`: runs a service, and again whenever its source changed.

The development image starts with it: skaffold writes changed files into the container, and the service
takes them up as an upgrade would, drained first: SIGTERM, its own end however long that takes, then the new
start. A service that ends by itself is started again after a pause, or at once when its source changed; the
supervisor stays, for with its container the changed files would go. What stops it (SIGTERM, SIGINT) is
passed on, each time, and it ends as the service does. Must never end a service in another way.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import services
from services.local.ending import say
from services.local.supervisor import backoff_s

LOOK_EVERY_S = 0.5
WELL_AFTER_S = 60.0
"""A run this long makes up for all deaths before it."""
MOST_DEATHS = 6
"""Beyond, the pause grows no more."""
_SKIPPED = {"__pycache__", "node_modules"}

Seen = Mapping[Path, tuple[int, int]]
"""Each file with its time of change (ns) and size (bytes)."""


def seen_in(folders: Iterable[Path]) -> Seen:
    """What stands in the folders now. A file that goes meanwhile is not there."""
    seen: dict[Path, tuple[int, int]] = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if _SKIPPED.isdisjoint(path.parts) and path.suffix != ".pyc":
                try:
                    facts = path.stat()
                except OSError:
                    continue
                if path.is_file():
                    seen[path] = (facts.st_mtime_ns, facts.st_size)
    return seen


def changed(before: Seen, after: Seen) -> list[Path]:
    """The files that are new, gone or different, in order."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


class DevSupervisor:
    """Runs one command for as long as nobody stops it."""

    def __init__(self, argv: Sequence[str], folders: Sequence[Path], look_every_s: float) -> None:
        self._argv = argv
        self._folders = folders
        self._look_every_s = look_every_s
        self._child: asyncio.subprocess.Process | None = None
        self._stopped = asyncio.Event()
        self._seen: Seen = {}
        self._looked: Seen = {}
        self._for_a_change = False

    async def run(self) -> int:
        """Returns the exit code of the run that was stopped, as a shell gives it; 0 if none ran just then."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        deaths = 0
        while not self._stopped.is_set():
            began = loop.time()
            self._seen = seen_in(self._folders)
            code = await self._one_run()
            if self._stopped.is_set():
                return code if code >= 0 else 128 - code
            if self._for_a_change:
                deaths = 0
                continue
            deaths = 1 if loop.time() - began > WELL_AFTER_S else min(deaths + 1, MOST_DEATHS)
            say(f"{self._argv[-1]} ended with {code}; starting it again in {backoff_s(deaths):g} s")
            await self._pause(backoff_s(deaths))
        return 0

    async def _one_run(self) -> int:
        """Run to its end, or end it because its source changed; returns how it ended, as Popen does."""
        self._for_a_change = False
        self._child = await asyncio.create_subprocess_exec(*self._argv)
        if self._stopped.is_set():
            self._tell(signal.SIGTERM)
        try:
            while not await self._ended_within(self._look_every_s):
                if not self._stopped.is_set() and (files := self._settled()):
                    say(f"{_listed(files)} changed; ending {self._argv[-1]} in order")
                    self._for_a_change = True
                    self._tell(signal.SIGTERM)
                    break
            return await self._child.wait()
        finally:
            self._child = None

    async def _ended_within(self, length_s: float) -> bool:
        assert self._child is not None, "called while it runs"
        try:
            async with asyncio.timeout(length_s):
                await self._child.wait()
        except TimeoutError:
            return False
        return True

    def _settled(self) -> list[Path]:
        """The files that changed and are complete: since the last look nothing changed any more."""
        now = seen_in(self._folders)
        files = changed(self._seen, now)
        complete = bool(files) and now == self._looked
        self._looked = now
        return files if complete else []

    async def _pause(self, length_s: float) -> None:
        """Wait so long, or until the source changed, or somebody stops all."""
        loop = asyncio.get_running_loop()
        until = loop.time() + length_s
        while loop.time() < until and not self._stopped.is_set() and not self._settled():
            try:
                async with asyncio.timeout(min(self._look_every_s, max(until - loop.time(), 0))):
                    await self._stopped.wait()
            except TimeoutError:
                continue

    def _stop(self, number: signal.Signals) -> None:
        self._stopped.set()
        self._tell(number)

    def _tell(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._child is not None and self._child.returncode is None:
                self._child.send_signal(number)


def _listed(files: Sequence[Path]) -> str:
    names = ", ".join(path.name for path in files[:3])
    return names if len(files) <= 3 else f"{names} and {len(files) - 3} more"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until stopped; returns the service's exit code."""
    root = Path(services.__path__[0]).parent
    parser = argparse.ArgumentParser(prog="services.local.devsupervisor", description=__doc__)
    parser.add_argument("module", help="what to run: services.connection, for one")
    parser.add_argument("--watch", type=Path, nargs="+", metavar="FOLDER", help="instead of this source")
    parser.add_argument("--look-every", type=float, default=LOOK_EVERY_S, metavar="SECONDS")
    given = parser.parse_args(argv)
    folders = given.watch or [folder for folder in (root / "services", root / "operator") if folder.is_dir()]
    supervisor = DevSupervisor([sys.executable, "-m", given.module], folders, given.look_every)
    return asyncio.run(supervisor.run())


if __name__ == "__main__":
    sys.exit(main())
