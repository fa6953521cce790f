"""Bytes that were damaged, or made by another: an UnreadableValue or a value, and nothing is run."""

import sys
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.conversation.graph.serde import ThreadSerializer, UnreadableValue
from tests.support.thread_types import ALLOWED, SAMPLES, values

OURS = ThreadSerializer(ALLOWED)
WRITTEN = {name: OURS.dumps_typed(value) for name, value in SAMPLES.items()}
PACKED = {name: data for name, (form, data) in WRITTEN.items() if form == "msgpack"}


def extension(code: int, parts: Any) -> bytes:
    data = parts if isinstance(parts, bytes) else ormsgpack.packb(parts, option=ormsgpack.OPT_NON_STR_KEYS)
    return ormsgpack.packb([ormsgpack.Ext(code, data)])


def read_or_refuse(data: bytes) -> None:
    """Read; anything but a value or an UnreadableValue fails the test."""
    with suppress(UnreadableValue):
        OURS.loads_typed(("msgpack", data))


@pytest.mark.parametrize("name", sorted(PACKED))
def test_bytes_that_end_too_early_are_not_read(name: str) -> None:
    for end in range(len(PACKED[name])):
        with pytest.raises(UnreadableValue):
            OURS.loads_typed(("msgpack", PACKED[name][:end]))


@pytest.mark.parametrize("name", sorted(PACKED))
def test_bytes_that_go_on_too_long_are_not_read(name: str) -> None:
    with pytest.raises(UnreadableValue):
        OURS.loads_typed(("msgpack", PACKED[name] + b"\x00"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(PACKED))
def test_each_flipped_bit_gives_a_value_or_an_error_of_ours(name: str) -> None:
    data = PACKED[name]
    for place in range(0, len(data) * 8, max(1, len(data) // 50)):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        read_or_refuse(bytes(damaged))


@pytest.mark.filterwarnings("ignore")
@given(values(beyond=True), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_damage_gives_a_value_or_an_error_of_ours(value: Any, changes: list[tuple[int, int]]) -> None:
    form, data = OURS.dumps_typed(value)
    damaged = bytearray(data)
    for place, byte in changes if damaged else ():
        damaged[place % len(damaged)] = byte
    if form == "msgpack":
        read_or_refuse(bytes(damaged))


@pytest.mark.filterwarnings("ignore")
@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_an_error_of_ours(data: bytes) -> None:
    read_or_refuse(data)


@pytest.mark.filterwarnings("ignore")
@given(
    st.integers(0, 127) | st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 64, 65, 66]),
    st.binary(max_size=50) | values() | st.lists(values(), min_size=2, max_size=4),
)
def test_any_extension_gives_a_value_or_an_error_of_ours(code: int, parts: Any) -> None:
    data = parts if isinstance(parts, bytes) else OURS.dumps_typed([parts])[1][1:]
    read_or_refuse(ormsgpack.packb([ormsgpack.Ext(code, data)]))


@pytest.mark.parametrize("code", range(6))
@pytest.mark.parametrize(
    "name", [("os", "system"), ("builtins", "eval"), ("this", "d"), ("pathlib", "os.system")]
)
def test_nothing_is_imported_or_run_that_is_not_allowed(
    code: int, name: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    touch = f"touch {tmp_path}/run"
    argument = {0: touch, 1: [touch], 2: {"command": touch}, 3: touch}.get(code, {"command": touch})
    with pytest.raises(UnreadableValue):
        OURS.loads_typed(
            ("msgpack", extension(code, [*name, argument, "__call__"][: 4 if code in (3, 5) else 3]))
        )
    assert "this" not in sys.modules
    assert not (tmp_path / "run").exists()


def test_no_method_is_called_but_langgraphs_safe_ones() -> None:
    """Although the type itself is allowed."""
    with pytest.raises(UnreadableValue, match="method"):
        OURS.loads_typed(("msgpack", extension(3, ["pathlib", "Path", "/", "exists"])))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (extension(9, b""), "extension code 9"),
        (b"\xd6\xff\x00\x00\x00\x00", "extension"),
        (extension(0, ["decimal", "Decimal", "ten"]), "extension 0"),
        (extension(0, ["tests.support.thread_types", "Colour", "no such member"]), "extension 0"),
        (extension(2, ["tests.support.thread_types", "Point", {"x": 1.0}]), "extension 2"),
        (extension(2, ["tests.support.thread_types", "Point"]), "extension 2"),
        (extension(6, ["<i4", [7], "C", b"\x00"]), "extension 6"),
        (extension(65, [1, 2, 3]), "extension 65"),
        (extension(65, [[], 2]), "extension 65"),
        (extension(66, 5), "extension 66"),
        (b"\xc1", "1 bytes"),
        (b"", "0 bytes"),
    ],
)
def test_what_cannot_be_rebuilt_is_not_replaced_by_its_parts(data: bytes, words: str) -> None:
    with pytest.raises(UnreadableValue, match=words):
        OURS.loads_typed(("msgpack", data))


def test_a_type_that_has_gone_is_named() -> None:
    gone = OURS.with_msgpack_allowlist([("tests.support.thread_types", "Gone"), ("no.such", "Module")])
    for name in (["tests.support.thread_types", "Gone"], ["no.such", "Module"]):
        with pytest.raises(UnreadableValue, match=f"{name[0]}:{name[1]} is not to be found any more"):
            gone.loads_typed(("msgpack", extension(0, [*name, 1])))


@pytest.mark.parametrize("form", ["json", "pickle", "msgpack+aes", ""])
def test_other_forms_are_refused(form: str) -> None:
    with pytest.raises(UnreadableValue):
        OURS.loads_typed(
            (form, b'{"lc": 2, "type": "constructor", "id": ["decimal", "Decimal"], "args": ["1"]}')
        )


@pytest.mark.parametrize(
    "data",
    [
        extension(0, ["decimal", "Decimal", "my secret"]),
        extension(0, ["my secret is 5", "my secret", 1]),
        extension(0, ["m" * 300, "my_secret", 1]),
        extension(2, ["tests.support.thread_types", "Point", {"my secret": 1}]),
        extension(0, "my secret"),
        extension(0, [["my secret"], "my secret", 1]),
    ],
)
def test_a_reason_quotes_nothing_of_the_content(data: bytes) -> None:
    with pytest.raises(UnreadableValue) as refusal:
        OURS.loads_typed(("msgpack", data))
    assert "secret" not in refusal.value.reason


def test_deep_nesting_in_damaged_bytes_is_an_error_of_ours() -> None:
    data = b"\x01"
    for _ in range(2000):
        data = ormsgpack.packb(ormsgpack.Ext(66, b"\x91" + data))
    for each in (data, b"\x91" * 100_000, b"\x81\x01" * 100_000):
        with pytest.raises(UnreadableValue):
            OURS.loads_typed(("msgpack", each))


def test_the_first_thing_that_was_wrong_is_told() -> None:
    inner = ormsgpack.Ext(0, ormsgpack.packb(["decimal", "Decimal", "ten"]))
    outer = ormsgpack.packb([Decimal.__module__, "Decimal", inner])
    with pytest.raises(UnreadableValue, match=r"InvalidOperation"):
        OURS.loads_typed(("msgpack", ormsgpack.packb(ormsgpack.Ext(0, outer))))
