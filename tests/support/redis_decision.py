"""Asks the chart's redis-decide.sh, as it is, what a data server may start as: many questions to one shell.

Called by the tests of that decision.
"""

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "charts" / "continuo" / "files" / "redis-decide.sh"
_ASKED = '. "$0"; while read -r line; do [ "$line" != ask ] || decide; done'


def shells() -> list[tuple[str, ...]]:
    """Every POSIX shell of this machine: the images' are dash and busybox."""
    known = (("dash",), ("busybox", "sh"), ("bash", "--posix"))
    return [shell for shell in known if shutil.which(shell[0])] or [("sh",)]


@dataclass(frozen=True, slots=True)
class Facts:
    """What one pod knows when it starts; `sentinels` and `servers` by pod, in the script's words."""

    me: int
    volume: str
    sentinels: tuple[str, ...]
    servers: tuple[str, ...]
    patience: str = "left"

    def lines(self) -> list[str]:
        words = [f"sentinel {pod} {said}" for pod, said in enumerate(self.sentinels)]
        words += [f"server {pod} {said}" for pod, said in enumerate(self.servers) if pod != self.me]
        return ["ask", f"me {self.me}", f"volume {self.volume}", f"patience {self.patience}", *words, "end"]


def decided(asked: Iterable[Facts], shell: Sequence[str] = ("sh",)) -> list[str]:
    """What each may start as: `master`, `replica J`, `candidate J` or `wait`, without the reasons."""
    text = "".join(line + "\n" for facts in asked for line in facts.lines())
    ran = subprocess.run(
        [*shell, "-euc", _ASKED, str(SCRIPT)], input=text, capture_output=True, text=True, check=True
    )
    assert not ran.stderr, ran.stderr
    lines = ran.stdout.splitlines()
    assert all(len(line) > len("wait ") for line in lines), "no waiting without a reason"
    return ["wait" if line.startswith("wait ") else line for line in lines]
