"""What is taken for a whole copy of Redis' data."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shared.bus.rdb import _BLOCK, UnsoundError, check, crc64


def copy_of(data: bytes, header: bytes = b"REDIS0012") -> bytes:
    body = header + data + b"\xff"
    return body + crc64(body).to_bytes(8, "little")


def test_the_sum_is_that_of_redis() -> None:
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA  # the check value in Redis' crc64.c


@given(st.binary(max_size=300), st.integers(0, 300))
def test_the_sum_goes_on_where_it_stopped(data: bytes, at: int) -> None:
    assert crc64(data[at:], crc64(data[:at])) == crc64(data)


@pytest.mark.parametrize("header", [b"REDIS0012", b"VALKEY080"])
def test_a_whole_copy_passes_also_without_a_sum(header: bytes) -> None:
    whole = copy_of(b"whatever" * 1000, header)
    check(io.BytesIO(whole), len(whole))
    unsummed = whole[:-8] + bytes(8)
    check(io.BytesIO(unsummed), len(unsummed))


@pytest.mark.parametrize("more", [-1, 0, 1, _BLOCK + 77])
def test_a_copy_of_many_blocks_passes_and_not_with_a_byte_changed(more: int) -> None:
    data = bytes((each * each + each // 7) & 0xFF for each in range(_BLOCK + more))
    whole = bytearray(copy_of(data))
    check(io.BytesIO(whole), len(whole))
    whole[_BLOCK - 10] ^= 1
    with pytest.raises(UnsoundError, match="its check sum is wrong"):
        check(io.BytesIO(whole), len(whole))


def test_one_that_is_cut_anywhere_does_not() -> None:
    whole = copy_of(b"some data" * 10)
    for size in range(len(whole)):
        with pytest.raises(UnsoundError):
            check(io.BytesIO(whole[:size]), size)
        with pytest.raises(UnsoundError):
            check(io.BytesIO(whole[:size]), len(whole))


def test_one_with_any_byte_changed_does_not() -> None:
    whole = copy_of(b"some data" * 10)
    for at in range(len(whole)):
        spoiled = whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]
        with pytest.raises(UnsoundError):
            check(io.BytesIO(spoiled), len(spoiled))
