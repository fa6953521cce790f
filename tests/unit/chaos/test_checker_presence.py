"""The checker against presence: a leave that was none, a ghost, and somebody who is there and not present."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from tests.chaos.checker import check
from tests.chaos.ground import Ground
from tests.chaos.history import History
from tests.chaos.records import (
    Connected,
    Connecting,
    Conversation,
    DeviceLine,
    Disconnected,
    HeadFacts,
    Left,
    Life,
    Settled,
    Subscribed,
    Truth,
)
from tests.chaos.rules_presence import presence
from tests.chaos.violations import Kind
from tests.support.sound_history import story

C = "c"


def follows(t: float, client: str) -> list[DeviceLine]:
    return [Connected(t, client), Subscribed(t, C, "e", 0, recovered=True, was_recovering=True, open=[])]


def seen(
    *watched: Sequence[DeviceLine], leaves: float | None, roster: Sequence[str] | None = None
) -> list[str]:
    """What is found where ada's devices noted this and ben's was told at `leaves` that ada left."""
    devices = {
        f"ada-{place}": (Life(0, f"ada-{place}", "ada"), *lines) for place, lines in enumerate(watched)
    }
    told = [Left(leaves, C, "ada")] if leaves is not None else []
    devices["ben"] = (Life(0, "ben", "ben"), *follows(0, "ben's"), *told)
    facts = Conversation(
        agents=[],
        head=HeadFacts(0, 0, [("e", 1)]),
        journal=[],
        messages=[],
        open=[],
        fifo=[],
        turns={},
        threads={},
        roster=None if roster is None else list(roster),
    )
    history = History(Truth({C: facts}), devices)
    return [violation.detail for violation in presence(history, {C: Ground(facts)})]


def test_who_was_away_for_the_grace_left() -> None:
    assert seen([*follows(1, "a"), Connecting(20, 1)], leaves=31) == []


def test_who_came_back_within_the_grace_did_not_leave() -> None:
    back = [*follows(1, "a"), Connecting(20, 1), *follows(25, "b")]
    assert seen(back, leaves=31) == ["ada was said to have left and was away for 5.0 s at most"]


def test_who_has_another_device_there_did_not_leave() -> None:
    gone = [*follows(1, "a"), Connecting(20, 1)]
    assert seen(gone, follows(2, "b"), leaves=31) == [
        "ada was said to have left and was away for 0.0 s at most"
    ]


def test_a_leave_that_is_told_late_is_one_all_the_same() -> None:
    assert seen([*follows(1, "a"), Connecting(20, 1), *follows(40, "b")], leaves=41) == []


def test_whoever_is_there_is_present_and_nobody_else() -> None:
    there = follows(1, "a")
    assert seen(there, leaves=None, roster=["a", "ben's"]) == []
    assert seen(there, leaves=None, roster=["a", "ben's", "x"]) == [
        "the connection is gone and still present"
    ]
    assert seen(there, leaves=None, roster=["ben's"]) == ["the device is there and not present"]


def test_a_device_that_went_elsewhere_is_present_by_its_last_connection() -> None:
    moved = [*follows(1, "a"), Connecting(5, 1), *follows(6, "b")]
    assert seen(moved, leaves=None, roster=["b", "ben's"]) == []
    assert seen(moved, leaves=None, roster=["a", "ben's"]) == [
        "the connection is gone and still present",
        "the device is there and not present",
    ]


def test_a_device_that_leaves_behind_the_end_was_there() -> None:
    left = [*follows(1, "a"), Settled(5, C), Disconnected(6, 0)]
    assert seen(left, leaves=None, roster=["a", "ben's"]) == []


def test_a_device_that_changed_its_connection_behind_the_end_is_present_by_the_new_one() -> None:
    moved = [*follows(1, "a"), Settled(5, C), Connecting(6, 3012), *follows(7, "b"), Disconnected(9, 0)]
    assert seen(moved, leaves=None, roster=["b", "ben's"]) == []


def test_a_history_without_a_roster_is_not_judged_by_it() -> None:
    assert seen(follows(1, "a"), leaves=None) == []


@pytest.mark.parametrize("planted", ["a leave", "a ghost"])
def test_a_breach_is_found_in_a_whole_history(planted: str) -> None:
    history = story()
    name, facts = next(iter(history.truth.conversations.items()))
    if planted == "a ghost":
        truth = Truth({**history.truth.conversations, name: msgspec.structs.replace(facts, roster=["ghost"])})
        history = replace(history, truth=truth)
    else:
        device, lines = next(
            (device, lines)
            for device, lines in history.devices.items()
            if any(isinstance(line, Subscribed) and line.conversation == name for line in lines)
        )
        user = next(line.user for line in lines if isinstance(line, Life))
        last = next(line for line in reversed(lines) if isinstance(line, Subscribed))
        left = Left(last.t + 0.001, last.conversation, user)
        history = replace(history, devices={**history.devices, device: (*lines, left)})
    assert Kind.PRESENCE in {violation.kind for violation in check(history)}
