"""Who may use the admin port: whoever shows one of the tokens in a mounted file.

Called by admin.py for each request. The file is read each time: a secret that is mounted changes in place, so
a rotation (write the new one beside the old, then take the old one out) needs no restart. Must never say by
its timing how much of a token was right.
"""

import hashlib
import hmac
from pathlib import Path

SCHEME = "bearer"
FILE_BYTES = 65_536
"""Most that is read of the file."""


class UnreadableError(Exception):
    """The file of tokens cannot be read: nobody is let in. The message says why, without a token."""


class Bearers:
    """The tokens of one file, one a line; blank lines are none."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def allow(self, header: str) -> bool:
        """Whether an Authorization header shows one of the tokens. Raises UnreadableError."""
        scheme, _, shown = header.partition(" ")
        if scheme.lower() != SCHEME or not shown.strip():
            return False
        asked = _digest(shown.strip().encode())
        # All are compared, also behind a match: how long it takes tells nothing.
        matches = [hmac.compare_digest(asked, _digest(token)) for token in self._tokens()]
        return any(matches)

    def _tokens(self) -> list[bytes]:
        try:
            with self._file.open("rb") as file:
                lines = file.read(FILE_BYTES).splitlines()
        except OSError as fault:
            raise UnreadableError(f"the file of admin tokens cannot be read: {fault.strerror}") from fault
        return [line.strip() for line in lines if line.strip()]


def _digest(token: bytes) -> bytes:
    """Of equal length for all, as the comparison wants it."""
    return hashlib.sha256(token).digest()
