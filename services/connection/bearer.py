"""Who comes with a bearer token that stands in a mounted file: at the admin port, and at the API's.

Called by admin.py and api/keys.py for each request. The file is read each time: a secret that is mounted
changes in place, so a rotation (write the new one beside the old, then take the old one out) needs no
restart. Must never say by its timing how much of a token was right.
"""

import hashlib
import hmac
from pathlib import Path

SCHEME = "bearer"
FILE_BYTES = 65_536
"""Most that is read of a file."""


class UnreadableError(Exception):
    """The file of tokens cannot be read: nobody is let in. The message says why, without a token."""


class Bearers:
    """The tokens of one file, one a line; blank lines are none."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def allow(self, header: str) -> bool:
        """Whether an Authorization header shows one of the tokens. Raises UnreadableError."""
        asked = shown(header)
        if not asked:
            return False
        # All are compared, also behind a match: how long it takes tells nothing.
        matches = [hmac.compare_digest(asked, digest(token)) for token in lines(self._file, "admin tokens")]
        return any(matches)


def shown(header: str) -> bytes:
    """The digest of the token an Authorization header shows; empty if it shows none."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != SCHEME or not token.strip():
        return b""
    return digest(token.strip().encode())


def lines(file: Path, holds: str) -> list[bytes]:
    """The lines of a file that are not blank, without the space around them. Raises UnreadableError."""
    return [line for _, line in numbered(file, holds)]


def numbered(file: Path, holds: str) -> list[tuple[int, bytes]]:
    """As `lines`, each with its number; beyond `FILE_BYTES` nothing is read, and what begins before may be
    cut there. Raises UnreadableError.
    """
    try:
        with file.open("rb") as opened:
            found = opened.read(FILE_BYTES).splitlines()
    except OSError as fault:
        raise UnreadableError(f"the file of {holds} cannot be read: {fault.strerror}") from fault
    return [(number, line.strip()) for number, line in enumerate(found, 1) if line.strip()]


def digest(token: bytes) -> bytes:
    """SHA-256: of equal length for all, as the comparison wants it."""
    return hashlib.sha256(token).digest()
