"""What became of a message, in one word: whose fault it was decides whether the objective counts it."""

import pytest

from services.connection.core.events import Answer, Answered, Failed, Ref
from services.connection.reception import _became
from services.shared.model.errors import (
    BadRequest,
    Broken,
    BusUnavailable,
    ContinuoError,
    MessageConflict,
    NotMember,
    NotReplicated,
    Overloaded,
    QueueFull,
)
from services.shared.wire.codes import fault_of

REF = Ref(1)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (BusUnavailable(""), "failed"),
        (NotReplicated(""), "failed"),
        (Broken(""), "failed"),
        (QueueFull(""), "busy"),
        (Overloaded(""), "busy"),
        (NotMember(""), "refused"),
        (BadRequest("text is too long"), "refused"),
        (MessageConflict(""), "refused"),
    ],
)
def test_a_message_that_was_not_taken_says_why(error: ContinuoError, outcome: str) -> None:
    assert _became(Failed(REF, fault_of(error))) == outcome


def test_a_message_that_was_taken_is_accepted() -> None:
    answer: Answer = Answered(REF, b"{}")
    assert _became(answer) == "accepted"
