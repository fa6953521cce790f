"""What may be kept in a thread and what not; where the serialiser differs from LangGraph's on purpose."""

import math
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from datetime import datetime
from enum import Enum, Flag
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.types import Command, Interrupt, Send
from pydantic import BaseModel, RootModel, SecretStr

from services.conversation.graph.serde import ThreadSerializer, UnfitValue, UnreadableValue
from services.shared.model.errors import Broken, Permanent
from tests.support.thread_types import (
    ALLOWED,
    BEYOND_STOCK,
    BIG,
    SAMPLES,
    Colour,
    Pair,
    Plan,
    Point,
    assert_same,
    invoice,
    same,
    values,
)

OURS = ThreadSerializer(ALLOWED)
PERMISSIVE = JsonPlusSerializer(allowed_msgpack_modules=True)


def there_and_back(value: Any, serializer: ThreadSerializer = OURS) -> Any:
    return serializer.loads_typed(serializer.dumps_typed(value))


def allowing(*kinds: type) -> ThreadSerializer:
    return OURS.with_msgpack_allowlist(kinds)


class Orbit(Enum):
    EARTH = (1.0, "blue")
    VOID = math.inf
    HUGE = 2**70


class Right(Flag):
    READ = 1
    WRITE = 2


class Hidden:
    @dataclass
    class Inner:
        value: int = 0


class Root(RootModel[list[int]]):
    pass


class MyMoment(datetime):
    pass


@dataclass
class Counted:
    name: str
    length: int = field(init=False)

    def __post_init__(self) -> None:
        self.length = len(self.name)


@dataclass
class Seeded:
    seed: InitVar[int]
    value: int = 0

    def __post_init__(self, seed: int) -> None:
        self.value += seed


class Frozen(BaseModel, frozen=True):
    inner: Any = None


class Talkative(BaseModel):
    def model_dump(self, **_: Any) -> Any:
        raise ValueError("my secret")


HOLDERS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda each: each,
    "a list": lambda each: [1, [each]],
    "a dict": lambda each: {"a": {"b": each}},
    "a tuple": lambda each: (each,),
    "a set": lambda each: {1, each},
    "a dataclass": lambda each: Plan("p", steps=[each]),
    "a model": lambda each: invoice(rest=each),
    "a model in a model": lambda each: invoice(rest=[invoice(rest={"k": each})]),
    "a named tuple": lambda each: Pair(1, each),
    "a message": lambda each: AIMessage("", response_metadata={"k": each}),
    "a tool's artifact": lambda each: ToolMessage("", tool_call_id="c", artifact=[each]),
    "a send": lambda each: Send("n", {"k": each}),
    "a command": lambda each: Command(update={"k": each}),
    "an interrupt": lambda each: Interrupt(each, id="i"),
    "a snapshot": lambda each: _DeltaSnapshot([each]),
}
"""Ways to hold a value."""


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_type_that_may_not_be_revived_is_refused_when_it_is_written(holder: str) -> None:
    with pytest.raises(UnfitValue) as refusal:
        ThreadSerializer(ALLOWED - {(Colour.__module__, "Colour")}).dumps_typed(HOLDERS[holder](Colour.RED))
    assert "tests.support.thread_types:Colour" in str(refusal.value)
    assert "CONTINUO_THREAD_TYPES" in str(refusal.value)


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_type_that_may_not_be_revived_is_not_revived_from_bytes(holder: str) -> None:
    written = OURS.dumps_typed(HOLDERS[holder](Colour.RED))
    with pytest.raises(UnreadableValue) as refusal:
        ThreadSerializer(ALLOWED - {(Colour.__module__, "Colour")}).loads_typed(written)
    assert "tests.support.thread_types:Colour" in refusal.value.reason


def test_refusals_say_whose_fault_it_is() -> None:
    assert issubclass(UnfitValue, Permanent)
    assert issubclass(UnreadableValue, Broken)


def test_an_allowance_adds_to_what_is_allowed() -> None:
    narrow = ThreadSerializer()
    wide = narrow.with_msgpack_allowlist([Point, (Plan.__module__, "Plan")])
    assert isinstance(wide, ThreadSerializer)
    assert there_and_back(Plan("p", origin=Point(1.0, 2.0)), wide) == Plan("p", origin=Point(1.0, 2.0))
    with pytest.raises(UnfitValue):
        narrow.dumps_typed(Point(1.0, 2.0))
    assert wide.with_msgpack_allowlist([Point]) is wide


def test_a_model_within_a_model_needs_no_allowance_of_its_own() -> None:
    only = ThreadSerializer(
        [("tests.support.thread_types", "Invoice"), ("tests.support.thread_types", "Rank")]
    )
    assert_same(there_and_back(invoice(), only), invoice())


@pytest.mark.parametrize("name", sorted(each for each in BEYOND_STOCK if each.startswith("integer")))
def test_integers_beyond_64_bits_are_kept(name: str) -> None:
    with pytest.raises(TypeError):
        PERMISSIVE.dumps_typed(SAMPLES[name])
    assert_same(there_and_back(SAMPLES[name]), SAMPLES[name])


@given(BIG | st.sampled_from([2**64, -(2**63) - 1, 2**71 - 1, -(2**71)]), st.sampled_from(sorted(HOLDERS)))
def test_an_integer_beyond_64_bits_is_kept_wherever_it_stands(number: int, holder: str) -> None:
    read = there_and_back(HOLDERS[holder]({"n": [number]} if holder != "a set" else number))
    assert repr(number) in repr(read)


@given(st.dictionaries(BIG | st.integers(0, 3) | st.text(max_size=2) | st.tuples(BIG, st.none()), values()))
def test_an_integer_beyond_64_bits_can_be_a_key(value: dict[Any, Any]) -> None:
    read = there_and_back(value)
    assert list(read) == list(value)
    for key, each in value.items():
        assert_same([read[key]], there_and_back([each]))


def test_keys_beside_an_integer_beyond_64_bits_are_what_they_are_elsewhere() -> None:
    others = SAMPLES["enum_keys"] | SAMPLES["keys"] | {SAMPLES["uuid"]: 1, SAMPLES["datetime_utc"]: 2}
    assert_same(
        there_and_back({2**70: 0} | others),
        {2**70: 0} | PERMISSIVE.loads_typed(PERMISSIVE.dumps_typed(others)),
    )


@given(values(beyond=True))
def test_whatever_can_be_written_can_be_read(value: Any) -> None:
    there_and_back(value)


@pytest.mark.parametrize(
    "value",
    [{(1, 2), ("a", (3,))}, frozenset({Pair(1, (2,))}), {Pair(1, (2, frozenset({(3,)})))}],
)
def test_tuples_in_a_set_stay_tuples(value: Any) -> None:
    assert_same(there_and_back(value), value)
    assert not same(PERMISSIVE.loads_typed(PERMISSIVE.dumps_typed(value)), value)


@pytest.mark.parametrize("member", [*Orbit, Right.READ, Right.READ | Right.WRITE])
def test_a_member_of_an_enumeration_is_found_by_whatever_value(member: Enum) -> None:
    assert there_and_back([member], allowing(Orbit, Right)) == [member]


def test_an_exception_is_kept_as_its_description() -> None:
    assert there_and_back({"error": ValueError("no")}) == {"error": "ValueError('no')"}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Hidden.Inner(), "would not be found"),
        (Root([1]), "does not dump to fields"),
        (MyMoment(2026, 1, 1), "only the standard one"),
        (Counted("a"), "from its fields"),
        (Seeded(1), "from its fields"),
        ({Frozen(inner=Frozen())}, "read back"),
        (np.array([object()]), "of objects"),
        (Point, "is a type"),
        (SecretStr("word"), "CONTINUO_THREAD_TYPES"),
        (object(), "of no kind"),
        (lambda: None, "of no kind"),
        ({frozenset({1}): 2}, "key"),
    ],
)
def test_what_could_not_be_rebuilt_is_refused_when_it_is_written(value: Any, words: str) -> None:
    kinds = (Hidden.Inner, Root, MyMoment, Counted, Seeded, Frozen)
    with pytest.raises(UnfitValue, match=words):
        allowing(*kinds).dumps_typed([value])


def test_a_refusal_quotes_nothing_of_the_content() -> None:
    with pytest.raises(UnfitValue, match="ValueError") as refusal:
        allowing(Talkative).dumps_typed([Talkative()])
    assert "secret" not in str(refusal.value)


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(UnfitValue):
        OURS.dumps_typed(loop)


@pytest.mark.parametrize(
    "hold", [lambda each: Pair(each), lambda each: [Plan("p", each)], lambda each: {2**70: each}]
)
def test_objects_too_deep_within_others_are_refused(hold: Callable[[Any], Any]) -> None:
    value: Any = 1
    for _ in range(150):
        value = hold(value)
    with pytest.raises(UnfitValue):
        OURS.dumps_typed(value)


def test_integers_in_keys_at_many_levels_are_written_in_bearable_time() -> None:
    value: Any = 1
    for _ in range(60):
        value = Plan("p", [value, {2**70: 1}])
    assert_same(there_and_back(value), value)


def test_a_value_that_was_refused_leaves_the_serializer_as_it_was() -> None:
    before = OURS.dumps_typed([Point(1.0, 2.0), {(1, 2)}])
    with pytest.raises(UnfitValue):
        OURS.dumps_typed({(1, Point(1.0, 2.0)), Hidden})
    assert OURS.dumps_typed([Point(1.0, 2.0), {(1, 2)}]) == before
