"""What a copy of Redis' data must look like to be whole: its first bytes, its last, and the sum over all.

Called by `continuo backup` on the file it wrote. Must never interpret what is in between: that is the
server's, and changes with its version.
"""

import re
import struct
from typing import BinaryIO

HEADER = re.compile(rb"(REDIS|VALKEY)\d{3,4}")
HEADER_BYTES = 9
_END = b"\xff"
_SUM_BYTES = 8
_UNSUMMED = bytes(_SUM_BYTES)
"""What a server writes that was told not to sum."""

_REVERSED = 0x95AC9329AC4BC9B5
"""The polynomial of CRC-64/Jones (0xad93d23594c935a9), lowest bit first."""
_LANES, _LENGTH = 1024, 1024
_BLOCK = _LANES * _LENGTH


class UnsoundError(Exception):
    """This is no whole copy; the message says what is wrong."""


def check(file: BinaryIO, size: int) -> None:
    """Read a file of `size` bytes from its beginning. Raises UnsoundError; takes about a second for 50 MB."""
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
    """CRC-64/Jones of `data`, going on from the sum `before` of what came before it.

    Whole blocks are summed in many lanes at once, each a run of neighbouring bytes: a step of all lanes is a
    handful of operations on long strings, an order of magnitude faster than byte after byte.
    """
    found, whole = before, len(data) - len(data) % _BLOCK
    for first in range(0, whole, _BLOCK):
        for lane in _lanes(data[first : first + _BLOCK]):
            found = _far(found) ^ lane
    for byte in data[whole:]:
        found = _TABLE[(found ^ byte) & 0xFF] ^ (found >> 8)
    return found


def _lanes(block: bytes) -> tuple[int, ...]:
    """The sum of each lane by itself. A plane holds one byte of the sums of all."""
    planes = [0] * 8
    for step in range(_LENGTH):
        column = int.from_bytes(block[step::_LENGTH], "little")
        index = (planes[0] ^ column).to_bytes(_LANES, "little")
        looked_up = [int.from_bytes(index.translate(table), "little") for table in _BY_BYTE]
        planes = [ahead ^ found for ahead, found in zip((*planes[1:], 0), looked_up, strict=True)]
    sums = bytearray(8 * _LANES)
    for place, plane in enumerate(planes):
        sums[place::8] = plane.to_bytes(_LANES, "little")
    return struct.unpack(f"<{_LANES}Q", sums)


def _far(found: int) -> int:
    """A sum as it is one lane of zeros later."""
    later = 0
    for place, table in enumerate(_FAR):
        later ^= table[(found >> 8 * place) & 0xFF]
    return later


def _table() -> list[int]:
    made = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (_REVERSED if value & 1 else 0)  # noqa: PLW2901 - a step of the division
        made.append(value)
    return made


def _far_tables() -> list[list[int]]:
    bits = []
    for bit in range(64):
        found = 1 << bit
        for _ in range(_LENGTH):
            found = _TABLE[found & 0xFF] ^ (found >> 8)
        bits.append(found)
    return [[_of_bits(value, bits[8 * place : 8 * place + 8]) for value in range(256)] for place in range(8)]


def _of_bits(value: int, bits: list[int]) -> int:
    found = 0
    for number, bit in enumerate(bits):
        found ^= bit if value >> number & 1 else 0
    return found


_TABLE = _table()
_BY_BYTE = [bytes(value >> 8 * place & 0xFF for value in _TABLE) for place in range(8)]
_FAR = _far_tables()
