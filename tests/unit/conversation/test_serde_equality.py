"""What the serialiser gives back is what LangGraph's own would have given, to the type of each element."""

from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from services.conversation.graph.serde import ThreadSerializer
from tests.support.thread_types import (
    ALLOWED,
    BEYOND_STOCK,
    READ_BACK,
    SAMPLES,
    assert_same,
    messages,
    values,
)

OURS = ThreadSerializer(ALLOWED)
STOCK = JsonPlusSerializer(allowed_msgpack_modules=True)
SHARED = sorted(SAMPLES.keys() - BEYOND_STOCK)


@pytest.mark.parametrize("name", SHARED)
def test_a_value_comes_back_as_with_langgraphs_own_serialiser(name: str) -> None:
    value = SAMPLES[name]
    assert_same(OURS.loads_typed(OURS.dumps_typed(value)), STOCK.loads_typed(STOCK.dumps_typed(value)))


@pytest.mark.parametrize("name", SHARED)
def test_each_serialiser_reads_what_the_other_wrote(name: str) -> None:
    value = SAMPLES[name]
    assert_same(STOCK.loads_typed(OURS.dumps_typed(value)), OURS.loads_typed(STOCK.dumps_typed(value)))


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_value_comes_back_as_what_it_was_but_where_langgraph_makes_another_of_it(name: str) -> None:
    assert_same(OURS.loads_typed(OURS.dumps_typed(SAMPLES[name])), READ_BACK.get(name, SAMPLES[name]))


@given(values())
def test_any_value_comes_back_as_with_langgraphs_own_serialiser(value: Any) -> None:
    assert_same(OURS.loads_typed(OURS.dumps_typed(value)), STOCK.loads_typed(STOCK.dumps_typed(value)))


@given(values())
def test_any_value_is_written_in_the_bytes_of_langgraphs_own_serialiser(value: Any) -> None:
    assert OURS.dumps_typed(value) == STOCK.dumps_typed(value)


@given(messages(values(beyond=True, sets=False)))
def test_a_message_that_was_read_back_is_written_in_the_same_bytes(message: Any) -> None:
    written = OURS.dumps_typed(message)
    assert OURS.dumps_typed(OURS.loads_typed(written)) == written


@pytest.mark.parametrize("place", range(len(SAMPLES["messages"])))
def test_each_kind_of_message_is_written_in_the_same_bytes_again(place: int) -> None:
    written = OURS.dumps_typed(SAMPLES["messages"][place])
    assert OURS.dumps_typed(OURS.loads_typed(written)) == written


@pytest.mark.parametrize(
    ("module", "name", "fields"),
    [
        ("langchain_core.messages.tool", "ToolMessage", {"content": 5, "tool_call_id": "c", "status": "odd"}),
        ("langchain_core.messages.modifier", "RemoveMessage", {"content": "x", "id": "m", "type": "remove"}),
        ("langchain_core.messages.ai", "AIMessage", {"id": "m"}),
        (
            "langchain_core.messages.human",
            "HumanMessage",
            {"content_blocks": [{"type": "text", "text": "a"}]},
        ),
    ],
)
def test_a_model_that_no_longer_validates_comes_back_as_with_langgraphs_own_serialiser(
    module: str, name: str, fields: dict[str, Any]
) -> None:
    model = ormsgpack.packb([module, name, fields, "model_validate_json"])
    data = ormsgpack.packb(ormsgpack.Ext(5, model))
    assert_same(OURS.loads_typed(("msgpack", data)), STOCK.loads_typed(("msgpack", data)))
