"""Who comes with a bearer token that stands in a mounted file: at the admin port, and at the API's.

Called by admin.py and api/keys.py for each request. The file is read each time: a secret that is mounted
changes in place, so a rotation (write the new one beside the old, then take the old one out) needs no
restart. Must never say by its timing how much of a token was right.
"""

import errno
import hashlib
import hmac
import os
import stat
from pathlib import Path
from typing import NamedTuple

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
        tokens = lines(self._file, "admin tokens").numbered
        matches = [hmac.compare_digest(asked, digest(token)) for _, token in tokens]
        return any(matches)


def shown(header: str) -> bytes:
    """The digest of the token an Authorization header shows; empty if it shows none."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != SCHEME or not token.strip():
        return b""
    return digest(token.strip().encode())


class Lines(NamedTuple):
    """Lines that are not blank, each with its number and without the space around it. cut: there is more in
    the file than is read; what begins before may be cut there.
    """

    numbered: list[tuple[int, bytes]]
    cut: bool


def lines(file: Path, holds: str) -> Lines:
    """The lines of a file. Raises UnreadableError."""
    try:
        found = _start(file, FILE_BYTES + 1)
    except OSError as fault:
        raise UnreadableError(f"the file of {holds} cannot be read: {fault.strerror}") from fault
    numbered = enumerate(found[:FILE_BYTES].splitlines(), 1)
    return Lines(
        [(number, line.strip()) for number, line in numbered if line.strip()], len(found) > FILE_BYTES
    )


def _start(file: Path, size: int) -> bytes:
    """The first bytes of a file. A pipe is none: to wait for its other end would be to serve nobody."""
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        return opened.read(size)


def digest(token: bytes) -> bytes:
    """SHA-256: of equal length for all, as the comparison wants it."""
    return hashlib.sha256(token).digest()
