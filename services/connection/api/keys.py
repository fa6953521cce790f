"""The keys of back ends: a mounted file that says whose key is known by which digest, one a line.

Asked by answering.py for each request. `name:SHA-256 of the key in hex`; `#` begins a comment. The file is
read anew each time (bearer.py tells why), so keys turn without a restart: a name may stand there twice. Must
never show a line, nor say by its timing how much of a key was right.
"""

import hmac
import re
from pathlib import Path

from services.connection.bearer import FILE_BYTES, UnreadableError, lines, shown
from services.shared.runtime.health import Finding
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Trouble

_LINE = re.compile(rb"([A-Za-z0-9_-]{1,32}):([0-9A-Fa-f]{64})")
MOST_NAMED = 10
"""Lines that are wrong, as far as they are named."""

log = get_logger(__name__)


class Keys:
    """The keys of one file. Lines that are none are named by their numbers, and let nobody in."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._unreadable = Trouble(log, "api keys unreadable", "api keys readable again", severe=True)
        self._malformed = Trouble(log, "api keys malformed", "api keys well formed again", severe=True)
        self._found = Finding.of(True)

    def holder(self, header: str) -> str:
        """The name of the key that an Authorization header shows; empty if it is none of these. Raises
        UnreadableError.
        """
        asked = shown(header)
        # All are compared, also behind a match: how long it takes tells nothing.
        names = [name for name, digest in self.read() if hmac.compare_digest(asked, digest)]
        return names[0] if names else ""

    def read(self) -> list[tuple[str, bytes]]:
        """Names and digests as the file has them now. Raises UnreadableError."""
        try:
            found = lines(self._file, "API keys")
        except UnreadableError as unreadable:
            self._unreadable.met(error=str(unreadable))
            self._found = Finding.of(False, error=str(unreadable))
            raise
        self._unreadable.over()
        known, wrong = _parted(found.numbered)
        self._judge(wrong, cut=found.cut)
        return known

    def finding(self) -> Finding:
        """For /health: whether the file could be read when it was read last, and whole, and which lines are
        wrong.
        """
        return self._found

    def _judge(self, wrong: list[int], *, cut: bool) -> None:
        if not wrong and not cut:
            self._malformed.over()
            self._found = Finding.of(True)
            return
        named = ", ".join(map(str, wrong[:MOST_NAMED]))
        more = {"read_bytes": FILE_BYTES} if cut else {}
        self._malformed.met(lines=named, count=len(wrong), **more)
        self._found = Finding.of(False, malformed_lines=named, malformed=len(wrong), **more)


def _parted(lines: list[tuple[int, bytes]]) -> tuple[list[tuple[str, bytes]], list[int]]:
    """The keys, and the numbers of lines that are none."""
    known, wrong = [], []
    for number, line in lines:
        said = line.partition(b"#")[0].strip()
        if not said:
            continue
        if found := _LINE.fullmatch(said):
            known.append((found[1].decode(), bytes.fromhex(found[2].decode())))
        else:
            wrong.append(number)
    return known, wrong
