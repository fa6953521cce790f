"""The checker against what the house tells of members, roles and titles: what was no change is caught."""

from typing import Any

import pytest

from tests.chaos.ground import Ground
from tests.chaos.records import Conversation, Entry, HeadFacts
from tests.chaos.rules_members import members
from tests.chaos.violations import Kind

SOUND: list[dict[str, Any]] = [
    {"type": "member.joined", "user": "ann", "role": "owner"},
    {"type": "member.invited", "user": "bob", "role": "reader"},
    {"type": "member.declined", "user": "bob"},
    {"type": "member.invited", "user": "bob", "role": "reader"},
    {"type": "member.joined", "user": "bob", "role": "reader"},
    {"type": "member.changed", "user": "bob", "role": "member"},
    {"type": "conversation.updated", "title": "one"},
    {"type": "conversation.updated", "title": "one", "agents": ["b"]},
    {"type": "conversation.updated", "title": "two"},
    {"type": "member.left", "user": "bob"},
    {"type": "member.joined", "user": "bob", "role": "owner"},
]


def found(events: list[dict[str, Any]]) -> list[str]:
    journal = [Entry(offset, "e", event) for offset, event in enumerate(events, start=1)]
    head = HeadFacts(len(journal), 0, [("e1", 1)])
    told = Conversation(
        agents=[], head=head, journal=journal, messages=[], open=[], fifo=[], turns={}, threads={}, roster=[]
    )
    violations = list(members(None, {"c": Ground(told)}))  # type: ignore[arg-type]  # it reads no history
    assert all(each.kind is Kind.REPEATED for each in violations)
    return [each.detail for each in violations]


def test_who_comes_and_goes_in_order_is_not_at_fault():
    assert found(SOUND) == []


@pytest.mark.parametrize("place", [0, 1, 2, 4, 5, 6, 8, 9, 10])
def test_what_is_told_twice_is_caught(place: int):
    [detail] = found([*SOUND[: place + 1], SOUND[place], *SOUND[place + 1 :]])
    assert SOUND[place]["type"] in detail


@pytest.mark.parametrize(("place", "kind"), [(2, "member.invited"), (4, "member.left"), (9, "member.joined")])
def test_what_could_not_follow_is_caught(place: int, kind: str):
    assert any(detail.startswith(kind) for detail in found([*SOUND[:place], *SOUND[place + 1 :]]))


def test_what_retention_dropped_may_have_been_anything():
    assert found(SOUND[5:]) == []
