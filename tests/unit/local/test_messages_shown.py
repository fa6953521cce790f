"""Edits, deletions, reactions and replies: a device that was told them live shows what one shows that read
them from history, from wherever it came in; and a terminal is told what changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.local.line import Line, named, said
from services.local.messages import listed
from services.local.render import Log
from services.local.view import View, changes
from tests.support.kept_messages import Kept
from tests.support.shown_client import shown

CLIENT = shown()
MESSAGES, USERS, KINDS = ("a", "b", "c"), ("ann", "bob"), ("+1", "heart")
EVENTS = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(USERS), st.sampled_from((None, *MESSAGES))),
    st.tuples(st.just("answer"), st.just("assistant"), st.just(None)),
    st.tuples(st.just("edit"), st.sampled_from(MESSAGES), st.text("xy", min_size=1, max_size=3)),
    st.tuples(st.just("delete"), st.sampled_from(MESSAGES), st.just(None)),
    st.tuples(
        st.just("react"),
        st.sampled_from(MESSAGES),
        st.tuples(st.sampled_from(USERS), st.sampled_from(KINDS), st.booleans()),
    ),
    st.tuples(st.just("rewind"), st.sampled_from(MESSAGES), st.sampled_from(("words", None))),
)
BEGUN = [("say", "ann", None), ("say", "bob", "a"), ("react", "a", ("bob", "+1", True))]
DEEDS = st.lists(EVENTS, min_size=1, max_size=25).map(lambda more: BEGUN + more)


@settings(max_examples=400, deadline=None)
@given(DEEDS, st.data())
def test_who_comes_late_shows_what_who_was_there_shows(deeds: Sequence[Any], data: st.DataObject) -> None:
    kept, live, late, last = Kept(), Log(), Log(), Log()
    comes = data.draw(st.integers(0, len(deeds)))
    for number, deed in enumerate(deeds):
        if number == comes:
            late.load(kept.history(), [])
        for event in kept.do(*deed):
            live.apply(event)
            late.apply(event)
    if comes == len(deeds):
        late.load(kept.history(), [])
    last.load(kept.history(), [])
    assert live.lines() == late.lines() == last.lines()
    assert (live.repeats, live.misfits, live.top) == (0, 0, last.top)


def as_kept(messages: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**one, "reactions": {kind: sorted(users) for kind, users in one["reactions"].items()}}
        for one in messages.values()
    ]


@settings(max_examples=400, deadline=None)
@given(DEEDS, st.data())
def test_what_the_docs_show_to_client_builders_is_the_same_live_and_late(
    deeds: Sequence[Any], data: st.DataObject
) -> None:
    kept = Kept()
    live, late, last = (CLIENT.Shown("ann") for _ in range(3))
    comes = data.draw(st.integers(0, len(deeds)))
    read = 0
    for number, deed in enumerate([*deeds, None]):
        if number == comes:
            late.history(kept.history())
            late.subscribed({"read": {"seq": read, "unread": 0}})
        for event in kept.do(*deed) if deed else []:
            live.event(event)
            if number >= comes:
                late.event(event)
            read = max(read, event.get("seq", 0)) if event.get("user") == "ann" else read
    last.history(kept.history())
    assert as_kept(live.messages) == as_kept(late.messages) == as_kept(last.messages)
    assert live.read == late.read == read
    assert live.unread() == late.unread() == sum(one["seq"] > read for one in kept.history())


def test_what_the_docs_show_ends_typing_by_itself_and_takes_receipts() -> None:
    time = [0.0]
    ann = CLIENT.Shown("ann", lambda: time[0])
    ann.history([])
    typing = {"type": "typing", "user": "bob", "typing": True, "expires_ms": 6000}
    said = {"type": "message.created", "message": "m", "user": "bob", "text": "hi", "seq": 1}
    ann.event(typing)
    assert ann.typing() == ["bob"]
    time[0] = 6.0
    assert ann.typing() == []
    for end in ({**typing, "typing": False}, said):
        ann.event(typing)
        ann.event(end)
        assert ann.typing() == []
    assert (ann.unread(), ann.messages["m"]["mentions"]) == (1, [])
    ann.event({"type": "receipt.read", "user": "bob", "seq": 1, "unread": 0})
    assert ann.unread() == 1
    ann.event({"type": "receipt.read", "user": "ann", "seq": 1, "unread": 0})
    assert ann.unread() == 0
    ann.event({"type": "member.left", "user": "ann", "by": "ann"})
    ann.event({"type": "poll.opened"})
    assert ann.read == 0


def test_what_is_told_again_of_a_deleted_message_does_not_bring_it_back() -> None:
    """A history may be newer than the position it is followed from."""
    kept = Kept()
    events = [
        event for deed in (*BEGUN, ("edit", "a", "x"), ("delete", "a", None)) for event in kept.do(*deed)
    ]
    log, ann = Log(), CLIENT.Shown("ann")
    log.load(kept.history(), [])
    ann.history(kept.history())
    before = log.lines()
    for event in events[2:-1]:
        log.apply(event)
        ann.event(event)
    assert log.lines() == before
    assert as_kept(ann.messages) == kept.history()


LINE = Line("m", "ann", "we meet at five", seq=1)


def test_a_message_is_read_with_what_became_of_it() -> None:
    reply = Line("r", "bob", "@ann yes", reply_to="m", mentions=("ann",), edits=1)
    puts = frozenset({("+1", "cleo"), ("+1", "ann"), ("heart", "ann")})
    known = {"m": LINE}
    assert said(reply, known) == "bob (to ann: 'we meet at five'): @ann yes  (edited)"
    assert said(reply, known, "ann").endswith("@ann yes  (edited)  (names you)")
    assert said(reply, {}) == "bob (to an older message): @ann yes  (edited)"
    marked = Line(**{**_fields(LINE), "reactions": puts})
    assert said(marked, {}) == "ann: we meet at five  [+1 ann, cleo; heart ann]"
    assert said(Line(**{**_fields(LINE), "deleted": True, "text": "", "edits": 2}), {}) == "ann: (deleted)"
    assert named(Line("x", "ann", "many\nwords " * 9)) == "'many words many words many words man ...'"


def _fields(line: Line) -> dict[str, Any]:
    return asdict(line) | {"reactions": line.reactions}


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({}, []),
        ({"text": "at six", "edits": 1}, ["ann says instead of 'we meet at five': at six"]),
        ({"text": "", "deleted": True}, ["ann said 'we meet at five': it was deleted"]),
        ({"reactions": frozenset({("+1", "bob")})}, ["bob puts +1 to ann's 'we meet at five'"]),
    ],
)
def test_what_became_of_a_message_on_the_screen_is_said(now: Mapping[str, Any], told: list[str]) -> None:
    after = Line(**{**_fields(LINE), **now})
    assert changes(LINE, after) == told
    view = View()
    view.news([LINE])
    assert view.news([after]) == "".join(f"* {one}\n" for one in told)
    assert view.news([after]) == ""


def test_what_is_taken_back_is_said_and_breaks_the_line_of_who_speaks() -> None:
    view, put = View("bob"), Line(**{**_fields(LINE), "reactions": frozenset({("+1", "bob")})})
    speaking = Line("s", "assistant", "one", finished=False)
    view.news([put, speaking])
    taken = view.news([LINE, speaking])
    assert taken == " ...\n* bob takes +1 back from ann's 'we meet at five'\nassistant: ... "


def test_a_change_of_what_was_typed_here_is_said_too() -> None:
    view = View()
    view.mine.add("m")
    assert view.news([LINE]) == ""
    assert view.news([Line(**{**_fields(LINE), "text": "at six", "edits": 1})]).startswith(
        "* ann says instead"
    )


def test_a_history_shows_numbers_and_the_last_ones_where_so_many_are_asked_for() -> None:
    kept = Kept()
    kept.do("say", "ann", None)
    kept.do("say", "bob", "a")
    assert listed(kept.history(), "ann", 9).splitlines() == [
        "   1  ann: says a",
        "   2  bob (to ann: 'says a'): says b",
    ]
    assert listed(kept.history(), "ann", 1) == "   2  bob (to ann: 'says a'): says b\n"
    assert listed(kept.history(), "ann", 0) == ""


def test_a_number_that_no_message_has_is_said_so() -> None:
    log = Log()
    log.apply({"type": "message.created", "message": "m", "user": "ann", "text": "hi", "seq": 7})
    assert log.numbered(7).message == "m"
    with pytest.raises(ValueError, match="there is no message 8: /history"):
        log.numbered(8)
