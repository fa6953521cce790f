"""Any order of messages becomes one that providers take: nothing is lost, nothing moves without need."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.conversation.core.closing import Closing, Line, Order, closed

CALLS = st.sampled_from(["a", "b", "c"])
LINES = st.lists(
    st.one_of(
        st.just(Line()),
        st.builds(Line, calls=st.lists(CALLS, max_size=3).map(tuple)),
        st.builds(Line, answers=CALLS),
    ),
    max_size=12,
)


def written(lines: Sequence[Line], order: Order | None) -> list[Line]:
    """The messages in their new order."""
    if order is None:
        return list(lines)
    return [Line(answers=each.call) if isinstance(each, Closing) else lines[each] for each in order]


def refused(lines: Sequence[Line]) -> list[str]:
    """The calls for which a provider refuses a conversation."""
    faults = []
    for place, line in enumerate(lines):
        behind = []
        for each in lines[place + 1 :]:
            if not each.answers:
                break
            behind.append(each.answers)
        faults += [call for call in line.calls if call not in behind]
    return faults


@given(LINES)
def test_every_call_is_answered_directly_behind_its_message(lines: list[Line]) -> None:
    assert refused(written(lines, closed(lines))) == []


@given(LINES)
def test_what_providers_take_stays_as_it_is_and_nothing_else_does(lines: list[Line]) -> None:
    assert (closed(lines) is None) == (refused(lines) == [])


@given(LINES)
def test_once_closed_there_is_nothing_left_to_close(lines: list[Line]) -> None:
    assert closed(written(lines, closed(lines))) is None


@given(LINES)
def test_no_message_is_lost_or_doubled_and_all_but_answers_keep_their_order(lines: list[Line]) -> None:
    order = closed(lines) or list(range(len(lines)))
    places = [each for each in order if not isinstance(each, Closing)]
    assert sorted(places) == list(range(len(lines)))
    others = [place for place in places if not lines[place].answers]
    assert others == sorted(others)


@given(LINES)
def test_only_what_is_answered_nowhere_behind_is_made_up(lines: list[Line]) -> None:
    for each in closed(lines) or []:
        if isinstance(each, Closing):
            behind = lines[each.place + 1 :]
            own = next((place for place, line in enumerate(behind) if each.call in line.calls), len(behind))
            answers = sum(line.answers == each.call for line in behind[:own])
            made = sum(each.call in line.calls for line in lines[: each.place + 1])
            assert answers < made
