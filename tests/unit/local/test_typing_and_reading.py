"""Who types, until it is over by itself; what others are told of one's own line, and of what one has read."""

import asyncio
from typing import Any

from services.local.composing import Composing, Reading
from services.local.device import RefusedError
from services.local.typists import AGAIN_S, PAUSE_S, OwnTyping, Typists
from tests.support.waiting import eventually


def typing(user: str, on: bool = True) -> dict[str, Any]:
    return {"type": "typing", "user": user, "typing": on, "expires_ms": 6000}


def test_somebody_types_until_it_is_over_by_itself_and_is_told_once() -> None:
    typists = Typists()
    assert typists.heard(typing("bob"), 0) == "bob"
    assert typists.heard(typing("bob"), 4) == ""
    assert (typists.now(9.9), typists.now(10)) == (["bob"], [])
    assert typists.heard(typing("bob"), 11) == "bob"


def test_typing_ends_with_the_word_of_it_with_the_message_and_with_the_membership() -> None:
    created = {"type": "message.created", "user": "bob"}
    for end in (typing("bob", on=False), created, {"type": "member.left", "user": "bob"}):
        typists = Typists()
        typists.heard(typing("bob"), 0)
        typists.heard(typing("cleo"), 0)
        assert typists.heard(end, 1) == ""
        assert typists.now(1) == ["cleo"]


def test_others_are_told_of_a_line_now_and_then_and_of_its_end() -> None:
    own = OwnTyping()
    assert own.told("", 0) is None
    assert own.told("I", 1) is True
    assert own.told("I am", 2) is None
    assert own.told("I am here", 1 + AGAIN_S) is True
    assert own.told("", 5) is False
    assert own.told("", 6) is None


def test_a_line_that_is_left_standing_is_typed_no_more_and_a_command_never() -> None:
    own = OwnTyping()
    assert own.told("I", 0) is True
    assert own.told("I", PAUSE_S) is False
    assert own.told("I", PAUSE_S + 1) is None
    assert own.told("I a", PAUSE_S + 2) is True
    assert own.told("/history", PAUSE_S + 3) is False
    assert own.told("/history 2", PAUSE_S + 4) is None


def test_what_was_said_needs_no_word_that_one_stopped() -> None:
    own = OwnTyping()
    own.told("I", 0)
    own.said()
    assert own.told("", 1) is None
    assert own.told("And", 2) is True


class Caller:
    """A device that keeps what is called; `refuses` what it is told to."""

    def __init__(self, refuses: bool = False) -> None:
        self.calls: list[tuple[str, Any]] = []
        self._refuses = refuses
        self.may = asyncio.Event()
        self.may.set()

    async def hint(self, method: str, arguments: dict[str, Any]) -> None:
        self.calls.append((method, arguments["typing"]))
        if self._refuses:
            raise RefusedError("a reader (403)")

    async def call(self, method: str, arguments: dict[str, Any]) -> Any:
        self.calls.append((arguments["conversation"], arguments["seq"]))
        await self.may.wait()
        if self._refuses:
            raise RefusedError("no member (103)")


class Line:
    """A terminal with a line on it."""

    line = ""


async def test_a_reader_is_refused_once_in_a_conversation() -> None:
    for refuses, times in ((False, 3), (True, 1)):
        caller, terminal = Caller(refuses), Line()
        composing = Composing(terminal, lambda to=caller: (to, "c"))  # type: ignore[arg-type, misc]
        for number in range(3):
            terminal.line += "x"
            await composing.look(number * AGAIN_S)
        assert caller.calls == [("conversation.typing", True)] * times


async def test_what_is_shown_while_the_server_is_told_goes_in_one() -> None:
    caller = Caller()
    reading = Reading(lambda: caller)  # type: ignore[arg-type, return-value]
    caller.may.clear()
    task = asyncio.create_task(reading.tell())
    reading.shown("c", 1)
    await eventually(lambda: caller.calls)
    for seq in (2, 3, 4, 3):
        reading.shown("c", seq)
    caller.may.set()
    await eventually(lambda: len(caller.calls) == 2)
    await reading.told()
    assert caller.calls == [("c", 1), ("c", 4)]
    task.cancel()


async def test_what_could_not_be_told_is_told_by_who_asks_next_and_a_refusal_is_passed_over() -> None:
    caller = Caller()
    reading = Reading(lambda: caller)  # type: ignore[arg-type, return-value]
    caller.may.clear()
    reading.shown("c", 5)
    task = asyncio.create_task(reading.told())
    await eventually(lambda: caller.calls)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    caller.may.set()
    caller._refuses = True
    await reading.told()
    await reading.told()
    assert caller.calls == [("c", 5)] * 2
