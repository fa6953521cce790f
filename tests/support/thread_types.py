"""Values as graphs keep them, of every kind a thread must hold, for the tests that store threads.

`SAMPLES` has one or more of each kind by name, `values()` makes any of them in any nesting, `same` compares
strictly. The classes here can be revived in another process: it imports this module by the same name, and
`ALLOWED` names them. What LangGraph's own serialiser refuses is in `BEYOND_STOCK` and `values(beyond=True)`.
"""

import dataclasses
import math
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path, PurePath
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.types import Command, Interrupt, Send, TimeoutPolicy
from pydantic import BaseModel, Field


class Colour(Enum):
    """Values of two types."""

    RED = "red"
    DEEP = 7


class Rank(IntEnum):
    LOW = 1
    HIGH = 2


class Mood(StrEnum):
    CALM = "calm"
    CROSS = "cross"


class Line(BaseModel):
    """A model within a model."""

    text: str = Field(max_length=20)
    price: Decimal
    rank: Rank = Rank.LOW


class Invoice(BaseModel):
    """Fields that JSON does not know, and other models."""

    id: UUID
    at: datetime
    total: Decimal
    lines: list[Line] = []
    by_day: dict[int, Line] = {}
    mood: Mood | None = None
    rest: Any = None


@dataclass(frozen=True)
class Point:
    x: float
    y: float


@dataclass
class Plan:
    """A dataclass with whatever a test puts in."""

    name: str
    steps: Any = field(default_factory=list)
    origin: Point | None = None


class Pair(NamedTuple):
    left: Any
    right: Any = None


ALLOWED: frozenset[tuple[str, str]] = frozenset(
    (kind.__module__, kind.__name__) for kind in (Colour, Rank, Mood, Line, Invoice, Point, Plan, Pair)
)
"""What a serialiser must be told to revive the values made here: (module, name)."""

MOMENT = datetime(2026, 11, 22, 12, 30, 15, 250, tzinfo=UTC)
WHO = UUID("01930000-0000-7000-8000-000000000001")


def invoice(**fields: Any) -> Invoice:
    """Return a model with models, decimals and int keys in it."""
    line = Line(text="tea", price=Decimal("1.10"), rank=Rank.HIGH)
    return Invoice(
        **{"id": WHO, "at": MOMENT, "total": Decimal("2.20"), "lines": [line], "by_day": {3: line}} | fields
    )


def conversation() -> list[BaseMessage]:
    """Return messages of each kind, with tool calls, a broken tool call, usage and blocks of content."""
    call = {"name": "look", "args": {"at": [1, 2.5, None]}, "id": "call-1", "type": "tool_call"}
    wrong = {"name": "look", "args": "{", "id": "call-2", "error": "no JSON", "type": "invalid_tool_call"}
    usage = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
    return [
        SystemMessage("Be brief.", id="m0"),
        HumanMessage("What is there? ☕", id="m1", name="ann", additional_kwargs={"seen": [True, None]}),
        AIMessage("", id="m2", tool_calls=[call], invalid_tool_calls=[wrong], usage_metadata=usage),
        ToolMessage("tea", id="m3", tool_call_id="call-1", artifact={"rows": [(1, Decimal("1.10"))]}),
        ToolMessage("no", id="m4", tool_call_id="call-2", status="error", artifact=invoice()),
        AIMessage(
            [
                {"type": "text", "text": "Tea."},
                {"type": "image_url", "image_url": {"url": "https://x.test/"}},
            ],
            id="m5",
            response_metadata={"model": "m", "logprobs": None, "score": 0.5},
        ),
        HumanMessage([{"type": "text", "text": "And?"}, "more"], id="m6"),
        AIMessageChunk("Wa", id="m7", tool_call_chunks=[{"name": "a", "args": "{", "id": "c", "index": 0}]),
        FunctionMessage("1", id="m8", name="sum"),
        RemoveMessage(id="m1"),
    ]


SAMPLES: dict[str, Any] = {
    "none": None,
    "bools": [True, False, 1, 0, 1.0, 0.0],
    "text": "grüße, 茶 and ☕",
    "text_empty": "",
    "integers": [0, -1, 127, 128, 2**31, 2**53 + 1, -(2**63)],
    "integer_2_63_less_1": 2**63 - 1,
    "integer_2_64_less_1": 2**64 - 1,
    "integer_2_70": 2**70,
    "integer_less_2_70": -(2**70),
    "integers_beyond": {"deep": [[2**64, [-(2**63) - 1]]], 2**70: "key", -(2**70): {2**80: 2**90}},
    "integers_beyond_in_models": [invoice(rest=2**70), Plan("big", {2**70: 2**70}), Pair(2**70)],
    "floats": [1.5, -0.0, 0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308],
    "decimal": [Decimal("1.10"), Decimal("1.1"), Decimal("-0"), Decimal("1E+5"), Decimal("Infinity")],
    "decimal_nan": [Decimal("NaN"), Decimal("sNaN12")],
    "bytes": b"\x00\xff",
    "bytes_nested": [b"", b"\x00\xff"],
    "bytearray": bytearray(b"\x00\xff"),
    "bytearray_nested": {"raw": bytearray(b"\x01")},
    "datetime_naive": datetime(2026, 11, 22, 1, 2, 3),  # noqa: DTZ001 - a kind of value
    "datetime_utc": MOMENT,
    "datetime_offset": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
    "datetime_zone": datetime(2026, 7, 1, 8, tzinfo=ZoneInfo("Europe/Madrid")),
    "date": date(2026, 2, 28),
    "time": [time(1, 2, 3, 4), time(5, tzinfo=UTC), time(6, fold=1, tzinfo=ZoneInfo("Europe/Madrid"))],
    "timedelta": [timedelta(days=-1, microseconds=5), timedelta(0)],
    "timezone": [UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=2), "two"), ZoneInfo("UTC")],
    "uuid": WHO,
    "enum": [Colour.RED, Colour.DEEP],
    "enum_int": [Rank.LOW, Rank.HIGH, 1],
    "enum_text": [Mood.CALM, "calm"],
    "enum_keys": {Mood.CALM: 1, Rank.HIGH: 2},
    "pydantic": invoice(),
    "pydantic_rest": invoice(rest={"any": [Point(1.0, math.nan), {Colour.RED}]}),
    "pydantic_invalid": Line.model_construct(text="x" * 21, price=Decimal(1)),
    "dataclass": Plan("p", steps=[Plan("q", origin=Point(0.0, -0.0))]),
    "namedtuple": Pair(Pair(1, b"2"), [Pair(None)]),
    "tuple": (1, ("a", (2.0,)), ()),
    "set": {1, "a", None, 2.5},
    "set_empty": set(),
    "set_of_one": {"a"},
    "set_of_tuples": {(1, ("a",))},
    "frozenset": frozenset({1, frozenset({2, "a"})}),
    "set_of_dataclasses": {Point(1.0, 2.0), Point(2.0, -0.0)},
    "deque": deque([1, [deque()]]),
    "keys": {1: "a", "1": "b", -5: {2: 3}, None: 0, 1.5: 1, (1, "a"): 2, b"k": 3},
    "keys_bool": {True: "yes", False: "no"},
    "nested": {"a": [{"b": ({"c": [None, {}]},)}], "": []},
    "messages": conversation(),
    "document": Document(page_content="leaf", metadata={"page": 3, "at": MOMENT}, id="d1"),
    "send": Send("node", {"n": [1, Decimal("1.10")]}),
    "send_timeout": Send("node", [Point(1.0, 2.0)], timeout=TimeoutPolicy(run_timeout=timedelta(seconds=2))),
    "command": Command(
        update={"messages": [HumanMessage("x", id="m")]}, resume={"i": MOMENT}, goto=[Send("n", 1)]
    ),
    "interrupt": [Interrupt(value={"ask": invoice()}, id="abc"), Interrupt("?", "i", response_schema={})],
    "delta_snapshot": _DeltaSnapshot([HumanMessage("x", id="m"), {Rank.LOW}]),
    "path": [Path("a/b.txt"), Path("/"), Path()],
    "pattern": [re.compile("a(b)?", re.IGNORECASE), re.compile(rb"\x00")],
    "ip": [
        ip_address("10.0.0.1"),
        ip_interface("10.0.0.1/8"),
        ip_network("10.0.0.0/8"),
        ip_address("::1"),
        ip_interface("::1/64"),
        ip_network("fe80::/10"),
    ],
    "numpy": [
        np.arange(6, dtype="<i4").reshape(2, 3),
        np.asfortranarray(np.ones((2, 3))),
        np.arange(6.0)[::2],
        np.array(["a", "bc"]),
        np.array(3.5),
        np.zeros((0, 2)),
    ],
}
"""name -> a value. A name's first word is the family of types it belongs to. Values stand in the golden files
too (tests/golden/threads): add others, do not change them.
"""

READ_BACK: dict[str, Any] = {
    "bytearray_nested": {"raw": b"\x01"},
    "datetime_zone": datetime(2026, 7, 1, 8, tzinfo=timezone(timedelta(hours=2))),
    "enum_keys": {"calm": 1, 2: 2},
    "pydantic_rest": invoice(rest={"any": [{"x": 1.0, "y": math.nan}, {Colour.RED}]}),
    "tuple": [1, ["a", [2.0]], []],
    "nested": {"a": [{"b": [{"c": [None, {}]}]}], "": []},
    "messages": [
        *conversation()[:3],
        conversation()[3].model_copy(update={"artifact": {"rows": [[1, Decimal("1.10")]]}}),
        conversation()[4].model_copy(update={"artifact": invoice().model_dump()}),
        *conversation()[5:],
    ],
}
"""name -> what LangGraph makes of a sample that it does not give back as it was."""

BEYOND_STOCK = frozenset(
    {
        "integer_2_70",
        "integer_less_2_70",
        "integers_beyond",
        "integers_beyond_in_models",
        "set_of_tuples",
    }
)
"""Names of samples that LangGraph's own serialiser refuses, or can't read."""

# ------------------------------------------------------------------------------------------ any value at all

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INTEGERS = st.integers(-(2**63), 2**64 - 1)
BIG = st.integers(2**64, 2**140) | st.integers(-(2**140), -(2**63) - 1)
ZONES = (
    st.none() | st.just(UTC) | st.sampled_from([ZoneInfo("Europe/Madrid"), timezone(timedelta(minutes=-7))])
)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    INTEGERS,
    st.floats(),
    TEXT,
    st.binary(max_size=6),
    st.uuids(),
    st.dates(),
    st.datetimes(timezones=ZONES),
    st.timedeltas(),
    st.sampled_from([*Colour, *Rank, *Mood]),
    st.sampled_from([Path("a/b"), re.compile("a+"), UTC, ip_address("10.0.0.1"), ip_network("::/64")]),
    st.decimals(allow_nan=False),
)
"""Values without others inside, fit for sets."""

FLAT: st.SearchStrategy[Any] = st.one_of(
    SCALARS,
    st.decimals(),
    st.times(timezones=ZONES),
    st.binary(max_size=6).map(bytearray),
    st.builds(Point, st.floats(), st.floats()),
)
"""Values without others inside."""

NO_LEAVES = BEYOND_STOCK | {"set_of_dataclasses"}
"""Pydantic itself can't dump the last within a model."""

LEAVES: st.SearchStrategy[Any] = st.one_of(
    FLAT,
    st.sets(SCALARS, max_size=3),
    st.frozensets(SCALARS | st.frozensets(SCALARS, max_size=2), max_size=3),
    st.sampled_from([each for name, each in SAMPLES.items() if name not in NO_LEAVES]),
)

LINES = st.builds(Line, text=TEXT, price=st.decimals(allow_nan=False, allow_infinity=False))
CALLS = st.fixed_dictionaries(
    {"name": TEXT, "args": st.dictionaries(TEXT, TEXT | INTEGERS, max_size=2), "id": st.none() | TEXT}
).map(lambda call: call | {"type": "tool_call"})
IDS = st.none() | TEXT


def _keys(beyond: bool) -> st.SearchStrategy[Any]:
    numbers = INTEGERS | BIG if beyond else INTEGERS
    return TEXT | numbers | st.booleans() | st.tuples(TEXT, numbers)


def messages(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[BaseMessage]:
    """Messages of people, models and tools, with whatever `inner` makes as a tool's artifact."""
    extra = st.dictionaries(TEXT, inner, max_size=2)
    blocks = st.lists(st.builds(lambda text: {"type": "text", "text": text}, TEXT), max_size=2)
    content = TEXT | blocks
    return st.one_of(
        st.builds(HumanMessage, content=content, id=IDS, name=IDS, additional_kwargs=extra),
        st.builds(AIMessage, content=content, id=IDS, tool_calls=st.lists(CALLS, max_size=2)),
        st.builds(AIMessage, content=TEXT, id=IDS, response_metadata=extra),
        st.builds(ToolMessage, content=content, id=IDS, tool_call_id=TEXT, artifact=inner),
    )


def _holding(inner: st.SearchStrategy[Any], keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values with others inside."""
    few = st.lists(inner, max_size=3)
    return st.one_of(
        few,
        few.map(tuple),
        few.map(deque),
        st.dictionaries(keys, inner, max_size=3),
        messages(inner),
        st.builds(invoice, rest=inner, lines=st.lists(LINES, max_size=2)),
        st.builds(Plan, name=TEXT, steps=inner),
        st.builds(Pair, inner, inner),
        st.builds(Send, TEXT, inner),
        st.builds(Interrupt, inner, TEXT),
        st.builds(_DeltaSnapshot, inner),
        st.builds(lambda update: Command(update=update), inner),
    )


def values(*, beyond: bool = False, sets: bool = True) -> st.SearchStrategy[Any]:
    """Any value a thread must hold, in any nesting.

    beyond: also integers beyond 64 bits, which LangGraph's own serialiser refuses. sets: also sets, which
    have no order, and so no bytes to rely on.
    """
    leaves = LEAVES if sets else FLAT
    leaves = leaves | BIG if beyond else leaves
    return st.recursive(leaves, lambda inner: _holding(inner, _keys(beyond)), max_leaves=12)


# ------------------------------------------------------------------------------------------ strict comparison


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal in type and content at every depth: True is not 1, 1 is not 1.0, -0.0
    is not 0.0, Decimal('1.10') is not Decimal('1.1'), and NaN is NaN. The order in a dict does not count.
    """
    if type(one) is not type(other):
        return False
    if one is other:
        return True
    for kinds, compare in COMPARISONS:
        if isinstance(one, kinds):
            return compare(one, other)
    if dataclasses.is_dataclass(one):
        return all(
            same(getattr(one, each.name), getattr(other, each.name)) for each in dataclasses.fields(one)
        )
    return bool(one == other)


def assert_same(one: Any, other: Any) -> None:
    """Fail, showing both, unless they are the same."""
    assert same(one, other), f"not the same:\n  {one!r}\n  {other!r}"


def _in_order(one: Any, other: Any) -> bool:
    return len(one) == len(other) and all(map(same, one, other))


def _unordered(one: Any, other: Any) -> bool:
    """Compare by finding each of one's members among the other's."""
    left = list(other)
    for each in one:
        found = next((place for place, candidate in enumerate(left) if same(each, candidate)), None)
        if found is None:
            return False
        del left[found]
    return not left


def _dicts(one: Any, other: Any) -> bool:
    return _in_order(list(one.items()), list(other.items())) or _unordered(one.items(), other.items())


def _floats(one: float, other: float) -> bool:
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other and math.copysign(1.0, one) == math.copysign(1.0, other)


def _models(one: Any, other: Any) -> bool:
    return _dicts(one.__dict__, other.__dict__) and same(one.__pydantic_extra__, other.__pydantic_extra__)


def _arrays(one: Any, other: Any) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def _moments(one: Any, other: Any) -> bool:
    return one.isoformat() == other.isoformat() and one.fold == other.fold and same(one.tzinfo, other.tzinfo)


COMPARISONS: tuple[tuple[type | tuple[type, ...], Callable[[Any, Any], bool]], ...] = (
    (Enum, lambda one, other: one is other),
    (float, _floats),
    (Decimal, lambda one, other: one.as_tuple() == other.as_tuple()),
    (dict, _dicts),
    ((list, tuple), _in_order),
    (deque, lambda one, other: one.maxlen == other.maxlen and _in_order(one, other)),
    ((set, frozenset), _unordered),
    (BaseModel, _models),
    ((datetime, time), _moments),
    (timezone, lambda one, other: one.__getinitargs__() == other.__getinitargs__()),
    (ZoneInfo, lambda one, other: one.key == other.key),
    (re.Pattern, lambda one, other: one.pattern == other.pattern and one.flags == other.flags),
    (PurePath, lambda one, other: one.parts == other.parts),
    (np.ndarray, _arrays),
    (Send, lambda one, other: all(same(getattr(one, n), getattr(other, n)) for n in Send.__slots__)),
)
"""Types with their comparison; the first that fits counts."""
