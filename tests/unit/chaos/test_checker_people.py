"""The checker against what people do beside saying something: a deed that is lost, and views that differ."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.chaos.checker import check
from tests.chaos.history import History
from tests.chaos.people import HOLDS, People, holds
from tests.chaos.records import (
    Connected,
    Conversation,
    DeviceLine,
    Done,
    Entry,
    HeadFacts,
    Life,
    Loaded,
    Pub,
    Said,
    Settled,
    Subscribed,
    Truth,
)

EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "member.joined", "user": "ann", "role": "owner"},
    {"type": "member.joined", "user": "bob", "role": "member"},
    {"type": "message.created", "message": "m1", "user": "ann", "text": "one", "seq": 1},
    {"type": "message.created", "message": "m2", "user": "bob", "text": "two", "seq": 2},
    {"type": "message.created", "message": "m3", "user": "bob", "text": "three", "seq": 3},
    {"type": "message.edited", "message": "m1", "user": "ann", "text": "1", "edits": 1},
    {"type": "message.reacted", "message": "m1", "user": "bob", "reaction": "+1", "on": True},
    {"type": "message.deleted", "message": "m2", "by": "bob"},
    {"type": "member.invited", "user": "cleo", "role": "reader"},
    {"type": "receipt.read", "user": "ann", "seq": 2, "unread": 1},
    {"type": "conversation.updated", "title": "Plans"},
    {"type": "message.created", "message": "m4", "user": "bob", "text": "four", "seq": 4},
    {"type": "conversation.rewound", "message": "m4", "by": "ann", "since": 4, "gone": ["m4"], "turns": []},
    {"type": "member.declined", "user": "cleo"},
    {"type": "member.changed", "user": "bob", "role": "reader"},
)
DONE = (
    (6, "message.edit", {"id": "m1", "text": "1"}, "ann"),
    (8, "message.react", {"id": "m1", "reaction": "+1", "on": True}, "bob"),
    (8, "message.delete", {"id": "m2"}, "bob"),
    (9, "conversation.members.invite", {"user": "cleo", "role": "reader"}, "ann"),
    (10, "conversation.read", {"seq": 2}, "ann"),
    (12, "conversation.rename", {"title": "Plans"}, "bob"),
    (13, "conversation.rewind", {"id": "r1", "message": "m4", "ask": False}, "ann"),
    (14, "conversation.members.decline", {}, "cleo"),
    (15, "conversation.members.role", {"user": "bob", "role": "reader"}, "ann"),
)
"""(position, RPC, arguments, who), each as it was acknowledged, at once or later."""
MESSAGES = [
    Said("m1", "1", 1, user="ann", edits=1, reactions={"+1": ["bob"]}),
    Said("m2", "", 2, user="bob", deleted=True),
    Said("m3", "three", 3, user="bob"),
]
LISTED: dict[str, Any] = {
    "read": 2,
    "unread": 1,
    "title": "Plans",
    "members": {"ann": "owner", "bob": "reader"},
}


def told(**changed: Any) -> Conversation:
    journal = [Entry(offset, "e", {"time": 0, **event}) for offset, event in enumerate(EVENTS, 1)]
    whole = Conversation(
        agents=[],
        head=HeadFacts(len(journal), 0, [("e", 1)]),
        journal=journal,
        messages=MESSAGES,
        open=[],
        fifo=[],
        turns={},
        threads={},
        title="Plans",
        members={"ann": "owner", "bob": "reader"},
        reads={"ann": 2, "bob": 4},
    )
    return msgspec.structs.replace(whole, **changed)


def a_history(facts: Conversation | None = None, **listed: Any) -> History:
    """ann's phone loads a page in the middle and follows on; deeds are noted by another device of each."""
    page = [
        Said("m1", "1", 1, user="ann", edits=1, reactions={}),
        Said("m2", "two", 2, user="bob"),
        Said("m3", "three", 3, user="bob"),
    ]
    facts = facts or told()
    phone: list[DeviceLine] = [
        Life(0, "phone", "ann"),
        Connected(1, "a"),
        Loaded(2, "c", page, [], "e", 6),
        Subscribed(2, "c", "e", 6, recovered=True, was_recovering=True, open=[], read=1),
        *(Pub(3, "c", entry.event, entry.offset) for entry in facts.journal[6:]),
        Settled(9, "c", **{**LISTED, **listed}),
    ]
    devices: dict[str, tuple[DeviceLine, ...]] = {"phone": tuple(phone)}
    for user in ("ann", "bob", "cleo"):
        done = [Done(4, "c", rpc, asked, "e", at) for at, rpc, asked, who in DONE if who == user]
        devices[f"of {user}"] = (Life(0, f"of {user}", user), *done)
    return History(Truth({"c": facts}), devices)


def found(history: History) -> list[str]:
    return [str(each) for each in check(history)]


def test_what_all_agree_on_is_not_at_fault() -> None:
    assert found(a_history()) == []


@pytest.mark.parametrize("place", range(len(DONE)))
def test_a_deed_that_the_journal_does_not_hold_is_caught(place: int) -> None:
    """Acknowledged a little before it was done, or, of a rewind, elsewhere."""
    at, rpc, asked, user = DONE[place]
    early = next(
        offset
        for offset in range(at - 1, -1, -1)
        if rpc == "conversation.rewind" or not holds(_folded(offset), user, rpc, asked)
    )
    history = a_history()
    lines = (*history.devices[f"of {user}"], Done(5, "c", rpc, asked, "e", early))
    broken = replace(history, devices={**history.devices, f"of {user}": lines})
    [fault] = found(broken)
    assert fault.startswith("lost")
    assert rpc in fault


def _folded(offset: int) -> People:
    people = People()
    for event in EVENTS[:offset]:
        people.apply(event)
    return people


def test_a_deed_acknowledged_beyond_the_end_or_by_another_master_is_caught() -> None:
    history = a_history()
    edit = ("message.edit", {"id": "m1", "text": "1"})
    wrong = (Done(5, "c", *edit, "e", 99), Done(5, "c", *edit, "x", 7))
    broken = replace(history, devices={**history.devices, "o": (Life(0, "o", "ann"), *wrong)})
    assert sorted(each.split(":")[0] for each in found(broken)) == ["lost", "wrong acknowledgement"]


@pytest.mark.parametrize(
    "changed",
    [
        {"title": "Others"},
        {"members": {"ann": "owner", "bob": "member"}},
        {"invited": ["cleo"]},
        {"reads": {"ann": 3, "bob": 4}},
        {"messages": MESSAGES[:2]},
        {"messages": [msgspec.structs.replace(MESSAGES[0], text="one"), *MESSAGES[1:]]},
        {"messages": [msgspec.structs.replace(MESSAGES[0], edits=2), *MESSAGES[1:]]},
        {"messages": [msgspec.structs.replace(MESSAGES[0], reactions={}), *MESSAGES[1:]]},
        {"messages": [MESSAGES[0], msgspec.structs.replace(MESSAGES[1], deleted=False), MESSAGES[2]]},
        {"messages": [*MESSAGES, Said("m4", "four", 4, user="bob")]},
    ],
    ids=str,
)
def test_a_store_that_is_not_what_the_journal_tells_is_caught(changed: dict[str, Any]) -> None:
    assert any("(the house" in each for each in found(a_history(told(**changed))))


@pytest.mark.parametrize(
    "listed", [{"read": 1}, {"unread": 0}, {"title": "x"}, {"members": {"ann": "owner"}}]
)
def test_a_device_that_is_answered_otherwise_in_the_end_is_caught(listed: dict[str, Any]) -> None:
    [fault] = found(a_history(**listed))
    assert next(iter(listed)) in fault


def test_a_view_that_differs_though_every_event_was_handed_out_is_caught() -> None:
    """A page that holds what the house does not keep of a message, as no event tells."""
    history = a_history()
    lines = list(history.devices["phone"])
    page = lines[2]
    assert isinstance(page, Loaded)
    reacted = msgspec.structs.replace(page.messages[2], reactions={"heart": ["bob"]})
    lines[2] = msgspec.structs.replace(page, messages=[*page.messages[:2], reacted])
    [fault] = found(replace(history, devices={**history.devices, "phone": tuple(lines)}))
    assert "to a settled device" in fault


def test_a_page_with_what_a_message_said_before_its_position_is_caught() -> None:
    history = a_history()
    lines = list(history.devices["phone"])
    page = lines[2]
    assert isinstance(page, Loaded)
    old = msgspec.structs.replace(page.messages[0], text="one", edits=0)
    lines[2] = msgspec.structs.replace(page, messages=[old, *page.messages[1:]])
    faults = found(replace(history, devices={**history.devices, "phone": tuple(lines)}))
    assert any(each.startswith("foreign: a page at 6 holds message m1") for each in faults)


def test_every_deed_of_devices_is_one_the_checker_can_judge() -> None:
    import random  # noqa: PLC0415 - only here

    from tests.chaos import deeds  # noqa: PLC0415

    scope = deeds.Scope(["m1"], ["m1", "m2"], 2, alone=True, owns=True)
    drawn = [deeds.draw("ann", random.Random(number), scope) for number in range(500)]
    drawn += [deeds.visit(random.Random(number)) for number in range(20)]
    placed = {deed.method for deed in drawn if deed and deed.is_placed}
    assert placed == {*HOLDS, "conversation.rewind"}
