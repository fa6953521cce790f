"""`continuo up` as a person runs it: a process with a folder of its own, on free ports, watched by its
output.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.local.servers import free_ports
from tests.support.waiting import eventually

STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 40.0


def continuo(
    home: Path, *words: str, typed: str = "", extra: Mapping[str, str] | None = None, within_s: float = 90.0
) -> subprocess.CompletedProcess[str]:
    """Runs one command of `continuo` to its end, with `typed` as its input."""
    return subprocess.run(
        [sys.executable, "-m", "services.local", *words],
        input=typed,
        capture_output=True,
        text=True,
        timeout=within_s,
        env=environment(home, extra),
        check=False,
    )


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without any setting of Continuo but the folder and `extra`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONTINUO_")}
    return {**inherited, "CONTINUO_HOME": str(home), "PYTHONUNBUFFERED": "1", **(extra or {})}


class Machine:
    """One running `continuo up`."""

    def __init__(
        self,
        home: Path,
        extra: Mapping[str, str] | None = None,
        ports: str = "",
        words: Sequence[str] = (),
    ) -> None:
        self.home = home
        self.ports = ports or ",".join(map(str, free_ports(5)))
        self.printed: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.local", "up", "--ports", self.ports, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(home, extra),
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    async def ready(self) -> None:
        """Returns when it has said that it is ready; fails with what it printed when it ended instead."""
        last = "Ctrl-C here ends everything"
        await eventually(lambda: self.said(last) or self.process.poll() is not None, STARTS_WITHIN_S)
        assert self.said(last), "\n".join(self.printed)

    def said(self, words: str) -> int:
        """How many of its lines hold these words."""
        return sum(words in line for line in self.printed)

    def pid_of(self, service: str) -> int:
        """The process id it last printed for a service."""
        lines = [line for line in self.printed if line.startswith(f"{service} is ready")]
        return int(lines[-1].rpartition("pid ")[2].rstrip(")"))

    def descendants(self) -> list[int]:
        """Ids of all its processes but itself: those that work in its folder or have it in their settings."""
        others = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return [pid for pid in others if pid not in {self.process.pid, os.getpid()} and self._owns(pid)]

    def working_in(self, folder: str) -> list[int]:
        """Those of its processes that work in this part of its folder."""
        wanted = self.home.absolute() / folder
        return [pid for pid in self.descendants() if Path(f"/proc/{pid}/cwd").readlink() == wanted]

    def _owns(self, pid: int) -> bool:
        try:
            works_in = Path(f"/proc/{pid}/cwd").readlink()
            settings = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False
        return (
            works_in.is_relative_to(self.home.absolute()) or f"CONTINUO_HOME={self.home}".encode() in settings
        )

    def end(self, with_signal: signal.Signals = signal.SIGINT) -> int:
        """Asks it to end, as Ctrl-C would; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            code = self.process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._reader.join(ENDS_WITHIN_S)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.printed.append(line.rstrip("\n"))
