"""The model's server for tests refuses what OpenAI's does."""

import pytest

from tests.support.model_server import refusal

CALL = {"id": "c", "type": "function", "function": {"name": "reserve", "arguments": "{}"}}
ASKED = {"role": "user", "content": "a chair"}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOOL = {"role": "tool", "tool_call_id": "c", "content": "done"}


@pytest.mark.parametrize(
    ("messages", "refused"),
    [
        ([ASKED], False),
        ([ASKED, CALLED, TOOL], False),
        ([ASKED, CALLED, TOOL, ASKED], False),
        ([ASKED, CALLED], True),
        ([ASKED, CALLED, ASKED], True),
        ([ASKED, CALLED, ASKED, TOOL], True),
        ([ASKED, TOOL], True),
        ([ASKED, CALLED, TOOL, TOOL], True),
    ],
)
def test_a_call_without_its_answer_behind_it_is_refused_and_so_is_an_answer_without_its_call(
    messages: list[dict[str, object]], refused: bool
) -> None:
    assert bool(refusal(messages)) == refused
