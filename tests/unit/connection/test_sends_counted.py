"""What became of a message, in one word: whose fault it was decides whether the objective counts it."""

import pytest

from services.connection.sends import became
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
    assert became(fault_of(error).code) == outcome


def test_a_message_that_was_taken_is_accepted() -> None:
    assert became(0) == "accepted"
