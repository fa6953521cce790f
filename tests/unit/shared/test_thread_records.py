"""The bytes of a thread's records: what this release writes, byte for byte, and what it reads."""

from dataclasses import replace

import msgspec
import pytest

from services.shared.bus.thread_records import (
    HIGHEST,
    decode_header,
    decode_runs,
    decode_typed,
    decode_value,
    decode_write,
    encode_header,
    encode_typed,
    encode_value,
    encode_write,
    in_order,
    name,
    parts,
    plain,
)
from services.shared.model.errors import BadRequest, UnreadableCheckpoint
from services.shared.model.thread import Header, Kind, Place, Shared, Write
from tests.support.kept_threads import framed

AT = Place("conversation.agent", "sub|x", "7")

HEADER = Header("6", {"messages": "00.5", "é": "1"}, ("notes",), "update", {"": "3"}, "t")
HEADER_BYTES = (
    b"\x01\x7f;\x9b\x19\x96\xa16\x82\xa8messages\xa400.5\xa2\xc3\xa9\xa11\x91\xa5notes"
    b"\xa6update\x81\xa0\xa13\xa1t"
)
TYPED = ("msgpack", b"\x00\x01\xff\x00")
TYPED_BYTES = b"\x01\x96\x8d\x84Nmsgpack\x00\x00\x01\xff\x00"
WHOLE_BYTES = b"\x01\xcf\\\xf9$wmsgpack\x00\x00\x01\xff\x00"
RUNS = ((0, 200), (2**53 - 1, 1))
LIST_BYTES = b"\x01\xb5$*\x80l\x92\x92\x00\xcc\xc8\x92\xcf\x00\x1f\xff\xff\xff\xff\xff\xff\x01"
DICT_BYTES = b"\x01S4e\x1ed" + LIST_BYTES[6:]
WRITE = Write("task", -3, "~pull, node", "messages", ("null", b""))
WRITE_NAME = b"w\x00sub|x\x007\x00task\x00-3"
WRITE_BYTES = b"\x01\xf9Y\x95\xff~pull, node\x00messages\x00null\x00"


def test_a_name_is_its_parts_joined_by_nul() -> None:
    assert name("w", "sub|x", "7", "task", -3) == WRITE_NAME
    assert name("c", "", "7") == b"c\x00\x007"
    assert parts(WRITE_NAME) == ["w", "sub|x", "7", "task", "-3"]


def test_what_is_written_is_this_byte_for_byte() -> None:
    assert encode_header(HEADER) == HEADER_BYTES
    assert encode_typed(TYPED) == TYPED_BYTES
    assert encode_value(TYPED) == WHOLE_BYTES
    assert encode_value(Shared(Kind.LIST, RUNS)) == LIST_BYTES
    assert encode_value(Shared(Kind.DICT, RUNS)) == DICT_BYTES
    assert encode_write(WRITE) == WRITE_BYTES


def test_these_bytes_are_read_as_they_were_meant() -> None:
    assert decode_header(AT, HEADER_BYTES) == HEADER
    assert decode_typed(AT, "the body", TYPED_BYTES) == TYPED
    assert decode_value(AT, "messages", WHOLE_BYTES, []) == TYPED
    assert decode_runs(AT, "messages", LIST_BYTES) == RUNS
    assert decode_write(AT, WRITE_NAME, WRITE_BYTES) == WRITE


@pytest.mark.parametrize(("letter", "kind"), [(b"l", Kind.LIST), (b"d", Kind.DICT)])
def test_a_shared_value_is_read_with_its_elements(letter: bytes, kind: Kind) -> None:
    record = framed(letter + msgspec.msgpack.encode([[4, 2], [0, 1]]))
    elements = [framed(b"a\x00one"), framed(b"b\x00", 2), framed(b"c\x00three")]
    read = decode_value(AT, "messages", record, elements)
    assert read == Shared(kind, ((4, 2), (0, 1)), (("a", b"one"), ("b", b""), ("c", b"three")))


def test_a_value_whose_runs_stand_for_other_elements_is_unreadable() -> None:
    record = encode_value(Shared(Kind.LIST, ((0, 2),)))
    one = framed(b"a\x00")
    for elements in ([], [one], [one] * 3, [one, None], [one, one[:-1]]):
        with pytest.raises(UnreadableCheckpoint):
            decode_value(AT, "messages", record, elements)


def test_the_next_formats_additions_are_passed_over() -> None:
    header = [HEADER.parent, HEADER.versions, HEADER.needs, HEADER.source, HEADER.above, HEADER.turn]
    header += ["more", {"x": 1}]
    assert decode_header(AT, framed(msgspec.msgpack.encode(header), 2)) == HEADER
    assert decode_runs(AT, "a", framed(b"l" + msgspec.msgpack.encode([[1, 2, "more"]]), 2)) == ((1, 2),)
    assert decode_typed(AT, "the body", framed(TYPED_BYTES[5:], 2)) == TYPED
    assert decode_write(AT, WRITE_NAME, framed(WRITE_BYTES[5:], 2)) == WRITE


def test_a_header_of_a_release_that_names_no_turn_is_read() -> None:
    header = [HEADER.parent, HEADER.versions, HEADER.needs, HEADER.source, HEADER.above]
    assert decode_header(AT, framed(msgspec.msgpack.encode(header))) == replace(HEADER, turn=None)


@pytest.mark.parametrize("number", [0, 3, 0x80, 0xFF])
def test_another_format_is_refused_by_its_number(number: int) -> None:
    first = bytes((number,))
    for read in (
        lambda: decode_header(AT, first + HEADER_BYTES[1:]),
        lambda: decode_typed(AT, "the body", first + TYPED_BYTES[1:]),
        lambda: decode_value(AT, "messages", first + WHOLE_BYTES[1:], []),
        lambda: decode_runs(AT, "messages", first + LIST_BYTES[1:]),
        lambda: decode_write(AT, WRITE_NAME, first + WRITE_BYTES[1:]),
    ):
        with pytest.raises(UnreadableCheckpoint, match=f"format {number},"):
            read()


def test_an_error_names_thread_checkpoint_and_reason_and_quotes_nothing() -> None:
    with pytest.raises(UnreadableCheckpoint) as raised:
        decode_typed(AT, "the body", framed(b"msgpack with a secret"))
    error = raised.value
    assert (error.thread, error.checkpoint, error.reason) == (AT.thread, "7", "the body is truncated")
    assert "secret" not in str(error)


def test_another_bit_anywhere_is_told_from_what_was_written() -> None:
    for bit in range(8 * len(WHOLE_BYTES)):
        spoilt = (int.from_bytes(WHOLE_BYTES, "big") ^ (1 << bit)).to_bytes(len(WHOLE_BYTES), "big")
        with pytest.raises(UnreadableCheckpoint, match=r"damaged|format"):
            decode_value(AT, "messages", spoilt, [])


def test_a_refused_text_is_not_quoted() -> None:
    with pytest.raises(BadRequest, match="a text of 8 characters") as raised:
        plain("secret\0s")
    assert "secret" not in str(raised.value)


def test_a_write_under_a_name_that_is_none_is_unreadable() -> None:
    for bad in (b"w\x00sub\x007\x00task", b"w\x00sub\x007\x00task\x00first", b"w\x00\x00\x00\xff\x000"):
        with pytest.raises(UnreadableCheckpoint, match="name"):
            decode_write(AT, bad, WRITE_BYTES)


def test_writes_are_ordered_by_path_task_and_number() -> None:
    keys = [("a", "t", 9), ("a", "t", 10), ("a", "u", -1), ("b", "a", 0)]
    writes = [Write(task, index, path, "c", TYPED) for path, task, index in keys]
    assert in_order(reversed(writes)) == tuple(writes)


def test_what_cannot_be_framed_is_refused_before_it_is_written() -> None:
    for refused in (
        lambda: name("v", "", "a\0b", "1"),
        lambda: plain("a\0b"),
        lambda: encode_typed(("a\0b", b"")),
        lambda: encode_write(Write("t", 0, "a\0b", "c", TYPED)),
        lambda: encode_value(Shared(Kind.LIST, ((HIGHEST, 1),))),
        lambda: encode_value(Shared(Kind.LIST, ((0, 0),))),
        lambda: encode_value(Shared(Kind.LIST, ((-1, 1),))),
    ):
        with pytest.raises(BadRequest):
            refused()
