"""The checker against what devices were handed: each broken promise is planted and is caught."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.history import History
from tests.chaos.records import Entry, Fault, Loaded, Pub, Subscribed, SubscribeError, Unfinished
from tests.chaos.violations import Kind
from tests.support.planted import Edit, changed, device, find, found, kinds, of, truth
from tests.support.sound_history import story

SOUND = story()
Plant = Callable[[History], History]


def on(name: str, edit: Edit) -> Plant:
    return lambda history: device(history, name, edit)


def without(kind: type, number: int = 0, **facts: Any) -> Edit:
    return lambda lines: lines.pop(find(lines, kind, number, **facts))


def with_other(kind: type, other: dict[str, Any], number: int = 0, **facts: Any) -> Edit:
    def edit(lines: list[Any]) -> None:
        place = find(lines, kind, number, **facts)
        lines[place] = changed(lines[place], **other)

    return edit


def again(kind: type, number: int = 0, later: int = 1, **facts: Any) -> Edit:
    def edit(lines: list[Any]) -> None:
        place = find(lines, kind, number, **facts)
        lines.insert(place + later, lines[place])

    return edit


def moved(kind: type, by: int, number: int = 0, **facts: Any) -> Edit:
    def edit(lines: list[Any]) -> None:
        place = find(lines, kind, number, **facts)
        lines.insert(place + by, lines.pop(place))

    return edit


def added_before(kind: type, line: Any, number: int = 0, **facts: Any) -> Edit:
    return lambda lines: lines.insert(find(lines, kind, number, **facts), line)


def page_without_its_last_message(lines: list[Any]) -> None:
    place = find(lines, Loaded, -1, conversation="c1")
    lines[place] = changed(lines[place], messages=lines[place].messages[:-1])


def page_with_a_strange_message(lines: list[Any]) -> None:
    place = find(lines, Loaded, -1, conversation="c1")
    strange = changed(lines[place].messages[0], text="nobody said this")
    lines[place] = changed(lines[place], messages=[strange, *lines[place].messages[1:]])


def open_text_taken_back(lines: list[Any]) -> None:
    place = next(i for i, line in enumerate(lines) if isinstance(line, Subscribed) and line.open and i > 8)
    [one] = lines[place].open
    shorter = changed(one, text=one.text[:2], at=2)
    lines[place] = changed(lines[place], open=[shorter])


def nothing_missed(lines: list[Any]) -> None:
    """A recovery that says it is one and goes on behind what was missed."""
    place = find(lines, Subscribed, -1, conversation="c1")
    while isinstance(lines[place + 1], Pub) and lines[place + 1].event["type"] != "turn.started":
        lines.pop(place + 1)


PLANTS: list[tuple[Kind, str, str, Plant]] = [
    (
        Kind.LOST,
        "ben-phone",
        "turn.finished",
        on("ben-phone", without(Pub, -1, type="turn.finished", conversation="c1")),
    ),
    (
        Kind.LOST,
        "ana-phone",
        "message.created q3",
        on("ana-phone", without(Pub, type="message.created", message="q3")),
    ),
    (Kind.LOST, "ana-phone", "has a hole", on("ana-phone", without(Pub, 1, type="message.delta"))),
    (Kind.LOST, "ana-phone", "its beginning did not", on("ana-phone", without(Pub, type="message.started"))),
    (Kind.LOST, "ana-laptop", "lacks message", on("ana-laptop", page_without_its_last_message)),
    (Kind.LOST, "ana-phone", "came without", on("ana-phone", nothing_missed)),
    (
        Kind.LOST,
        "ben-phone",
        "a subscribe skipped",
        on(
            "ben-phone",
            with_other(Subscribed, {"recovered": False, "was_recovering": False, "offset": 99}, -1),
        ),
    ),
    (
        Kind.LOST,
        "ana-laptop",
        "units of 9",
        on("ana-laptop", with_other(Subscribed, {"open": [Unfinished("m", "a", 9)]})),
    ),
    (Kind.REPEATED, "ana-phone", "offset 1 (message.created)", on("ana-phone", again(Pub, offset=1))),
    (Kind.REPEATED, "ana-phone", "came again", on("ana-phone", again(Pub, type="message.delta"))),
    (
        Kind.REPEATED,
        "ana-phone",
        "a piece at 0 came",
        on("ana-phone", with_other(Pub, {"event": {"at": 0}}, 1, type="message.delta")),
    ),
    (
        Kind.REPEATED,
        "ana-phone",
        "message.created of q3 came again",
        on("ana-phone", with_other(Pub, {"event": {"message": "q3"}}, type="message.created", message="q4")),
    ),
    (
        Kind.REPEATED,
        "ben-phone",
        "turn.finished of t1.c1 came again",
        on(
            "ben-phone",
            with_other(Pub, {"event": {"turn": "t1.c1"}}, -1, type="turn.finished", conversation="c1"),
        ),
    ),
    (Kind.REORDERED, "ana-phone", "offset 1 ", on("ana-phone", moved(Pub, 2, offset=1))),
    (Kind.REORDERED, "ben-phone", "(turn.finished)", on("ben-phone", moved(Pub, 2, type="turn.finished"))),
    (
        Kind.REORDERED,
        "ana-phone",
        "after its end",
        on("ana-phone", with_other(Pub, {"event": {"message": "q1"}}, type="message.delta")),
    ),
    (
        Kind.REORDERED,
        "ana-phone",
        "q1 began after its end",
        on("ana-phone", with_other(Pub, {"event": {"message": "q1"}}, type="message.started")),
    ),
    (
        Kind.FOREIGN,
        "ana-phone",
        "message.created came as",
        on("ana-phone", with_other(Pub, {"event": {"text": "other"}}, type="message.created", message="q3")),
    ),
    (
        Kind.FOREIGN,
        "ana-phone",
        "the house has nothing there",
        on("ana-phone", with_other(Pub, {"offset": 5000}, -1, type="turn.finished", conversation="c1")),
    ),
    (
        Kind.FOREIGN,
        "ben-phone",
        "the house never had it there",
        on("ben-phone", with_other(Pub, {"event": {"message": "m-void"}}, type="message.delta")),
    ),
    (
        Kind.FOREIGN,
        "ana-phone",
        "text that the house did not keep",
        on(
            "ana-phone",
            with_other(Pub, {"event": {"text": "x"}}, -1, type="message.delta", conversation="c1"),
        ),
    ),
    (
        Kind.FOREIGN,
        "ana-phone",
        "came as",
        on("ana-phone", with_other(Pub, {"event": {"outcome": "failed"}}, -1, type="turn.finished")),
    ),
    (Kind.FOREIGN, "ana-laptop", "the house does not", on("ana-laptop", page_with_a_strange_message)),
    (Kind.FOREIGN, "ben-phone", "text it does not have", on("ben-phone", open_text_taken_back)),
    (
        Kind.FOREIGN,
        "ana-phone",
        "without a place",
        on("ana-phone", with_other(Pub, {"offset": 0}, type="message.created", message="q3")),
    ),
    (
        Kind.LEFT_STREAMING,
        "ana-phone",
        "waits for the end",
        on("ana-phone", without(Pub, -1, type="message.completed", conversation="c1")),
    ),
    (
        Kind.LEFT_STREAMING,
        "ben-phone",
        "waits for the end",
        on("ben-phone", without(Pub, -1, type="message.retracted", conversation="c1")),
    ),
    (
        Kind.LEFT_STREAMING,
        "ana-laptop",
        "waits for the end of message m",
        on("ana-laptop", with_other(Subscribed, {"open": [Unfinished("m", "a", 1)]}, -1)),
    ),
    (
        Kind.RECOVERED_FALSE,
        "ben-phone",
        "not recovered from",
        on("ben-phone", with_other(Subscribed, {"recovered": False}, 2, conversation="c1")),
    ),
    (
        Kind.RECOVERED_FALSE,
        "ana-phone",
        "not recovered from",
        on("ana-phone", with_other(Subscribed, {"recovered": False}, -1, conversation="c1")),
    ),
    (
        Kind.RECOVERED_FALSE,
        "ben-phone",
        "112 for",
        on("ben-phone", added_before(Subscribed, SubscribeError(1.0, "c1", 112), 2, conversation="c1")),
    ),
]


def test_a_sound_history_has_no_violations():
    assert found(SOUND) == []


@pytest.mark.parametrize(
    ("kind", "who", "words", "plant"), PLANTS, ids=[f"{each[0]}: {each[2]}" for each in PLANTS]
)
def test_what_a_device_should_not_have_been_handed_is_caught(kind: Kind, who: str, words: str, plant: Plant):
    caught = of(found(plant(SOUND)), kind)
    assert [one for one in caught if one.who == who and words in one.detail], found(plant(SOUND))


def test_each_kind_a_device_can_show_is_planted_three_times():
    shown = [kind for kind, *_ in PLANTS]
    assert {kind: shown.count(kind) >= 3 for kind in set(shown)} == dict.fromkeys(
        (
            Kind.LOST,
            Kind.REPEATED,
            Kind.REORDERED,
            Kind.FOREIGN,
            Kind.LEFT_STREAMING,
            Kind.RECOVERED_FALSE,
        ),
        True,
    )


def test_a_piece_counted_in_characters_instead_of_utf16_units_is_caught():
    """The first answer holds a character of two units: from there on the two counts differ."""

    def edit(lines: list[Any]) -> None:
        place = find(lines, Pub, 2, type="message.delta")
        lines[place] = changed(lines[place], event={"at": lines[place].event["at"] - 1})

    assert kinds(found(device(SOUND, "ana-phone", edit))) >= {Kind.REPEATED}


def test_an_empty_redis_excuses_resets_from_then_on():
    edit = with_other(Subscribed, {"recovered": False}, 2, conversation="c1")
    broken = device(SOUND, "ben-phone", edit)
    t = next(one.t for one in found(broken) if one.kind is Kind.RECOVERED_FALSE)
    assert t is not None
    for when, excused in ((t - 1, True), (t + 1, False)):
        faults = (*broken.faults, Fault(when, "redis.emptied", 99))
        caught = found(History(broken.truth, broken.devices, broken.runs, faults))
        assert (Kind.RECOVERED_FALSE not in kinds(caught)) is excused


def test_a_recovery_from_a_place_only_a_lost_master_knew_is_caught():
    """The truth's second epoch begins earlier than the device that was recovered stood in the first."""

    def earlier(told: Any) -> dict[str, Any]:
        first = told.head.forks[1][1]
        forks = [told.head.forks[0], (told.head.forks[1][0], first - 3), *told.head.forks[2:]]
        return {"head": changed(told.head, forks=forks)}

    caught = found(truth(SOUND, earlier))
    assert [one for one in of(caught, Kind.LOST) if "an epoch whose last offset is" in one.detail]


def test_the_event_a_failover_put_in_anothers_place_is_foreign():
    """The device was shown an event that the new master does not have; it has another one there."""

    def another(told: Any) -> dict[str, Any]:
        place = find(told.journal, Entry, message="q3")
        entry = changed(told.journal[place], event={"user": "somebody else"})
        return {"journal": [*told.journal[:place], entry, *told.journal[place + 1 :]]}

    caught = of(found(truth(SOUND, another)), Kind.FOREIGN)
    assert {one.who for one in caught} >= {"ana-phone", "ben-phone"}
