"""What the chat makes of commands about messages and conversations."""

from types import SimpleNamespace
from typing import Any

import pytest

from services.local.conversations import HOUR_MS, Conversations, listed
from services.local.following import Followed
from services.local.messages import Messages
from services.local.people import People
from tests.support import chat_stand_ins
from tests.support.chat_stand_ins import Paper

NOW_MS = 1_795_000_000_000


class Caller(chat_stand_ins.Caller):
    """One that follows a conversation in which Ann said something."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(*answers)
        self.followed = {"c1": Followed()}
        created = {"type": "message.created", "message": "m7", "user": "ann", "text": "hi", "seq": 7}
        self.followed["c1"].log.apply(created)


def messages(caller: Caller) -> tuple[Messages, list[tuple[str, str]]]:
    said: list[tuple[str, str]] = []

    async def say(text: str, reply_to: str) -> None:
        said.append((text, reply_to))

    return Messages(Paper(), lambda: (caller, "c1"), say, "ann"), said  # type: ignore[arg-type, return-value]


async def test_a_message_is_named_by_its_number() -> None:
    caller = Caller()
    made, said = messages(caller)
    for command, words in (
        ("/reply", "7 yes,  I do"),
        ("/correct", "7 hello there"),
        ("/delete", "7"),
        ("/react", "7 +1"),
        ("/react", "7 +1 off"),
    ):
        await made.commands[command](words)
    assert said == [("yes,  I do", "m7")]
    named = {"conversation": "c1", "id": "m7"}
    assert caller.calls == [
        ("message.edit", {**named, "text": "hello there"}),
        ("message.delete", named),
        ("message.react", {**named, "reaction": "+1", "on": True}),
        ("message.react", {**named, "reaction": "+1", "on": False}),
    ]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/reply", "7"),
        ("/correct", "hello"),
        ("/correct", "8 hello"),
        ("/delete", ""),
        ("/delete", "7 now"),
        ("/react", "7"),
        ("/react", "7 +1 on"),
        ("/history", "all"),
    ],
)
async def test_what_cannot_be_meant_is_not_sent(command: str, words: str) -> None:
    caller = Caller()
    made, said = messages(caller)
    with pytest.raises(ValueError, match=rf"{command}|/history"):
        await made.commands[command](words)
    assert (caller.calls, said) == ([], [])


def one(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "title": name.upper(), "created_ms": 1, **more}


def test_a_list_tells_what_is_unread_muted_and_archived() -> None:
    soon, past = NOW_MS + HOUR_MS, NOW_MS - 1
    found = [
        one("a", unread=3, muted=0),
        one("b", unread=0, muted=None, archived=True),
        one("c", unread=1, muted=soon),
        one("d", muted=past, title=""),
    ]
    shown = listed(found, "a", NOW_MS).splitlines()
    assert shown[:2] == ["> 1  A  (3 unread)", "  2  B  (muted, archived)"]
    assert shown[2].startswith("  3  C  (1 unread, muted until 20")
    assert shown[3] == "  4  d"


async def test_marks_are_for_good_for_hours_or_off_and_what_is_muted_is_known() -> None:
    caller = Caller(
        {"muted": None, "archived": False},
        {"muted": NOW_MS + 2 * HOUR_MS, "archived": False},
        {"muted": 0, "archived": False},
        {"muted": 0, "archived": True},
    )
    read: list[str] = []

    async def told() -> None:
        read.append("told")

    made = Conversations(Paper(), lambda: (caller, "c1"), told, lambda: NOW_MS)  # type: ignore[arg-type, return-value]
    muted = []
    for words in ("", "2", "off"):
        await made.commands["/mute"](words)
        muted.append(made.muted("c1"))
    await made.commands["/archive"]("")
    assert muted == [True, True, False]
    assert [arguments.get("until", "none") for _, arguments in caller.calls] == [
        None,
        NOW_MS + 2 * HOUR_MS,
        0,
        "none",
    ]
    for command, words in (("/mute", "0"), ("/mute", "soon"), ("/archive", "now")):
        with pytest.raises(ValueError, match=command):
            await made.commands[command](words)
    caller.answers = [{"conversations": [one("c1", unread=2), one("c0", created_ms=9, archived=True)]}]
    await made.commands["/list"]("")
    assert made._terminal.text.endswith("> 1  C1  (2 unread)\n  2  C0  (archived)\n")  # type: ignore[attr-defined]
    assert read == ["told"]


async def test_who_is_there_is_shown_with_who_types_and_when_others_were_seen() -> None:
    page = [
        {"user": "ann", "state": "present", "connections": 2},
        {"user": "bob", "state": "present", "connections": 1},
        {"user": "cleo", "state": "absent", "connections": 0, "last_seen": NOW_MS},
    ]
    caller, paper = Caller({"users": page[:2], "more": True}, {"users": page[2:], "more": False}), Paper()
    typists = SimpleNamespace(now=lambda _: ["bob"])
    caller.followed["c1"].typists = typists  # type: ignore[assignment]

    async def left(_: str) -> None:
        return

    people = People(paper, lambda: (caller, "c1"), left)  # type: ignore[arg-type, return-value]
    await people.commands["/who"]("")
    shown = paper.text.splitlines()
    assert shown[:2] == [" present  ann  (2 devices)", " present  bob  types"]
    assert shown[2].startswith("  absent  cleo  last seen 20")
    assert [arguments["after"] for _, arguments in caller.calls] == [None, "bob"]
