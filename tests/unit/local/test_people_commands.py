"""What the chat makes of commands about people."""

from typing import Any

import pytest

from services.local.people import People, chosen, shown
from tests.support.chat_stand_ins import Caller, Paper


def people(*answers: Any) -> tuple[People, Paper, Caller]:
    paper, caller = Paper(), Caller(*answers)

    async def left(conversation: str) -> None:
        paper.note(f"elsewhere than {conversation}")

    return People(paper, lambda: (caller, "c1"), left), paper, caller  # type: ignore[arg-type, return-value]


async def test_a_user_is_invited_as_a_member_unless_it_is_said_otherwise() -> None:
    commands, paper, caller = people()
    await commands.commands["/invite"]("bob")
    await commands.commands["/invite"]("cleo reader")
    method, where = "conversation.members.invite", {"conversation": "c1"}
    assert caller.calls == [
        (method, {**where, "user": "bob", "role": "member"}),
        (method, {**where, "user": "cleo", "role": "reader"}),
    ]
    assert paper.text == "* bob is asked\n* cleo is asked\n"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/invite", ""),
        ("/invite", "bob king"),
        ("/invite", "bob reader now"),
        ("/role", "bob"),
        ("/rename", ""),
    ],
)
async def test_what_cannot_be_meant_is_not_sent(command: str, words: str) -> None:
    commands, _, caller = people()
    with pytest.raises(ValueError, match=command):
        await commands.commands[command](words)
    assert caller.calls == []


async def test_an_invitation_is_answered_by_its_number_in_the_list_that_was_seen() -> None:
    first = {"conversation": "c7", "title": "Plans", "by": "ann", "role": "reader"}
    second = {"conversation": "c8", "title": "", "by": "bob", "role": "owner"}
    commands, paper, caller = people({"invitations": [first, second]})
    await commands.commands["/invitations"]("")
    assert paper.text.splitlines() == [
        "   1  Plans: ann asks you in as reader",
        "   2  c8: bob asks you in as owner",
    ]
    await commands.commands["/accept"]("2")
    assert caller.calls[1:] == [("conversation.members.accept", {"conversation": "c8"})]


async def test_members_are_listed_to_the_last_page() -> None:
    pages = [
        {"members": [{"user": "ann", "role": "owner"}], "more": True},
        {"members": [{"user": "bob", "role": "reader"}], "more": False},
    ]
    commands, paper, caller = people(*pages)
    await commands.commands["/members"]("")
    assert paper.text == "   owner  ann\n  reader  bob\n"
    assert [arguments["after"] for _, arguments in caller.calls] == [None, "ann"]


async def test_the_other_commands_say_what_they_mean() -> None:
    commands, paper, caller = people()
    await commands.commands["/role"]("bob owner")
    await commands.commands["/rename"]("Better plans")
    await commands.commands["/leave"]("")
    assert caller.calls == [
        ("conversation.members.role", {"conversation": "c1", "user": "bob", "role": "owner"}),
        ("conversation.rename", {"conversation": "c1", "title": "Better plans"}),
        ("conversation.leave", {"conversation": "c1"}),
    ]
    assert paper.text == "* you left\n* elsewhere than c1\n"


async def test_what_is_no_role_is_named_and_who_declines_is_told() -> None:
    commands, paper, caller = people({"invitations": [{"conversation": "c7", "title": "Plans"}]})
    with pytest.raises(ValueError, match="'king' is no role"):
        await commands.commands["/role"]("bob king")
    with pytest.raises(ValueError, match="the conversation you are in"):
        await commands.commands["/leave"]("2")
    assert caller.calls == []
    await commands.commands["/decline"]("1")
    assert paper.text == "* you do not come into 'Plans'\n"


def test_there_must_be_an_invitation_of_that_number() -> None:
    assert (chosen("", 1), chosen("2", 2)) == (1, 2)
    for number in ("0", "3", "x", "-1"):
        with pytest.raises(ValueError, match="/invitations"):
            chosen(number, 2)
    with pytest.raises(ValueError, match="nobody"):
        chosen("", 0)
    assert shown([]) == ""
