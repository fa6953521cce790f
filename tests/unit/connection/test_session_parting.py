"""A connection that is told to go elsewhere goes when the command under way is answered."""

import json

from services.connection.core.admission import Limits
from services.connection.core.events import Answered, FrameReceived, Parting, TimePassed
from services.shared.wire.codes import Disconnect
from tests.support.session_words import answer, closed_with, connecting, opened, say

GO = Parting(Disconnect.SHUTDOWN)


def test_who_asks_nothing_goes_at_once() -> None:
    watched = opened()
    watched.handle(GO)
    assert closed_with(watched) is Disconnect.SHUTDOWN


def test_what_was_asked_is_answered_first_and_what_waits_behind_it_is_not_begun() -> None:
    watched = opened()
    said = [{"id": number, "rpc": {"method": "conversation.list", "data": {}}} for number in (2, 3)]
    watched.handle(FrameReceived("\n".join(json.dumps(each) for each in said).encode()))
    watched.handle(GO)
    assert watched.closed is None
    answer(watched, Answered, b"{}")
    assert closed_with(watched) is Disconnect.SHUTDOWN
    assert [reply["id"] for reply in watched.replies][-1] == 2
    assert watched.asked is None, "the second was not begun"


def test_what_is_asked_behind_the_word_is_not_begun_either() -> None:
    watched = opened()
    say(watched, id=2, rpc={"method": "conversation.list", "data": {}})
    watched.handle(GO)
    asked = watched.asked
    say(watched, id=3, rpc={"method": "conversation.list", "data": {}})
    assert watched.asked is asked
    answer(watched, Answered, b"{}")
    assert closed_with(watched) is Disconnect.SHUTDOWN


def test_an_answer_that_does_not_come_holds_nobody_longer_than_any_command() -> None:
    watched = opened()
    say(watched, id=2, rpc={"method": "conversation.list", "data": {}})
    watched.handle(GO)
    watched.handle(TimePassed(), Limits().answer_s)
    assert watched.replies[-1]["error"]["code"] == 100
    assert closed_with(watched) is Disconnect.SHUTDOWN


def test_a_connect_under_way_is_answered_too() -> None:
    watched = connecting()
    watched.handle(GO)
    assert watched.closed is None
