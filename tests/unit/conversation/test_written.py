"""What nodes write until it is told: in order, together, bounded."""

from services.conversation.core.speech import Speech, Write
from services.conversation.core.written import MOST_WAITING, Written
from services.shared.model.doing import MOST_TOLD, MOST_WRITTEN


def taken(written: Written, now_s: float = 0.0) -> list[tuple[tuple[str, ...], tuple[str, ...], bool]]:
    return list(written.take(now_s, 1.0))


def test_the_first_is_told_at_once_and_what_follows_together_an_interval_later() -> None:
    written = Written()
    written.add((), "1")
    assert taken(written, 0.0) == [((), ("1",), False)]
    written.add((), "2")
    written.add((), "3")
    assert (taken(written, 0.9), list(written.due())) == ([], [1.0])
    assert taken(written, 1.0) == [((), ("2", "3"), False)]
    assert list(written.due()) == []


def test_values_of_other_places_are_told_apart_and_in_order() -> None:
    written = Written()
    for path, value in (((), "1"), (("team",), "2"), ((), "3")):
        written.add(path, value)
    said = [*taken(written), *taken(written), *taken(written)]
    assert said == [((), ("1",), False), (("team",), ("2",), False), ((), ("3",), False)]


def test_a_value_too_long_is_null_and_the_event_says_so() -> None:
    written = Written()
    written.add((), "x" * (MOST_TOLD + 1))
    assert taken(written) == [((), ("null",), True)]
    written.add((), "1")
    assert taken(written, 2.0) == [((), ("1",), False)]


def test_an_event_holds_so_much_and_more_waits_without_a_pause() -> None:
    written, value = Written(), "x" * MOST_TOLD
    for _ in range(5):
        written.add((), value)
    first, second = taken(written), taken(written)
    assert [len(each[1]) for each in (*first, *second)] == [MOST_WRITTEN // MOST_TOLD, 1]


def test_no_more_waits_than_a_bound() -> None:
    written, value = Written(), "x" * MOST_TOLD
    for _ in range(2 * MOST_WAITING // MOST_TOLD):
        written.add((), value)
    told, cut = 0, False
    while said := taken(written):
        told += sum(len(each) for each in said[0][1])
        cut |= said[0][2]
    assert (told, cut) == (MOST_WAITING, True)


def test_what_was_written_before_the_end_is_told() -> None:
    speech = Speech(interval_s=10.0)
    speech.write((), "1")
    assert [type(each) for each in speech.take(0.0)] == [Write]
    speech.write((), "2")
    assert speech.take(0.0) == []
    speech.settle()
    assert speech.take(0.0) == [Write((), ("2",), False, 2)]
