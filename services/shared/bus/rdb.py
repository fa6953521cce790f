"""What a copy of Redis' data must look like to be whole: its first bytes, its last, and the sum over all.

Called by `continuo backup` on the file it wrote. Must never interpret what is in between: that is the
server's, and changes with its version.
"""

import re
from typing import BinaryIO

import anycrc

HEADER = re.compile(rb"(REDIS|VALKEY)\d{3,4}")
HEADER_BYTES = 9
_END = b"\xff"
_SUM_BYTES = 8
_UNSUMMED = bytes(_SUM_BYTES)
"""What a server writes that was told not to sum."""
_BLOCK = 1024 * 1024
_SUM = anycrc.Model("CRC64-REDIS")


class UnsoundError(Exception):
    """This is no whole copy; the message says what is wrong."""


def check(file: BinaryIO, size: int) -> None:
    """Read a file of `size` bytes from its beginning. Raises UnsoundError."""
    if not HEADER.fullmatch(file.read(HEADER_BYTES)):
        raise UnsoundError("it does not begin as a Redis data file does")
    if size < HEADER_BYTES + len(_END) + _SUM_BYTES:
        raise UnsoundError(f"it ends after {size} bytes")
    file.seek(0)
    found, left, last = 0, size - _SUM_BYTES, b""
    while left:
        block = file.read(min(left, _BLOCK))
        if not block:
            raise UnsoundError(f"it is {left} bytes shorter than what was sent")
        found, left, last = crc64(block, found), left - len(block), block[-1:]
    if last != _END:
        raise UnsoundError("it does not end as a Redis data file does")
    written = file.read(_SUM_BYTES)
    if written not in (_UNSUMMED, found.to_bytes(_SUM_BYTES, "little")):
        raise UnsoundError("its check sum is wrong")


def crc64(data: bytes, before: int = 0) -> int:
    """The sum Redis makes of `data`, going on from the sum `before` of what came before it."""
    return int(_SUM.calc(data, before))
