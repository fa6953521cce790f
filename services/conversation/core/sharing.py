"""Which elements of a list or dict are kept already, and as which runs of numbers a version of it is written.

Called by the graph's room at each put, once per shared channel, and after each read. Elements are compared by
their serialised bytes alone: nodes change messages in place, so an object's identity says nothing. Never
takes an element for kept unless the version this one follows has it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count as counting

from services.shared.model.thread import Run


@dataclass(frozen=True, slots=True)
class Known:
    """What one version of a channel teaches those that follow it.

    numbers: an element's bytes -> its number in Redis, of the elements of that version alone: they exist as
    long as its checkpoint does. next: the first number nobody on this lineage has used. again: of elements
    that stand in the version more than once, the numbers after the first, in order.
    """

    numbers: Mapping[bytes, int]
    next: int
    again: Mapping[bytes, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sharing:
    """A version as it is to be written.

    runs: its elements by number, in order. fresh: number -> bytes of the elements that are not in Redis yet.
    known: what this version teaches, once its checkpoint is kept.
    """

    runs: tuple[Run, ...]
    fresh: Mapping[int, bytes]
    known: Known


def nothing_known(start: int) -> Known:
    """Before a channel's first shared version; its numbers begin at `start`."""
    return Known({}, start)


def known_of(runs: Sequence[Run], elements: Sequence[bytes]) -> Known:
    """What a version that was read teaches: `elements` are what `runs` stand for, in their order.

    Numbers go on after the highest this version has. One that an earlier version used above that, for what
    has been removed since, may so be taken again: the store says so (a clash) while it is still there.

    Raises ValueError when there are not as many elements as the runs count.
    """
    if len(elements) != count(runs):
        raise ValueError(f"{len(elements)} elements for runs of {count(runs)}")
    beyond = max((first + many for first, many in runs), default=0)
    return _knowing(elements, list(expand(runs)), beyond)


def leaping(known: Known, start: int) -> Known:
    """The same, but new numbers begin at `start` (or where they would have, if that is higher): for trying
    again after a clash with another branch.
    """
    return replace(known, next=max(start, known.next))


def share(elements: Sequence[bytes], known: Known) -> Sharing:
    """Number a version's elements: known ones keep their number, others get the next ones.

    What is appended to a list of one run extends that run; an element that was replaced splits it. No number
    stands in a version twice: equal elements have a number, and a record, each. So a list of n equal
    elements is one run, not n, and stays one when an element it has already is appended; the price is that a
    repeated element is kept as often as it stands in the list.
    """
    following = counting(known.next)
    kept = known.numbers.get
    numbers = [next(following) if (n := kept(e)) is None else n for e in elements]
    if known.again or len(set(elements)) < len(elements):
        numbers = _numbered_with_repeats(elements, known)
    fresh = {n: e for n, e in zip(numbers, elements, strict=True) if n >= known.next}
    return Sharing(_runs(numbers), fresh, _knowing(elements, numbers, known.next + len(fresh)))


def expand(runs: Sequence[Run]) -> Iterator[int]:
    """The numbers the runs stand for, in their order."""
    return (number for first, many in runs for number in range(first, first + many))


def count(runs: Sequence[Run]) -> int:
    """How many elements the runs stand for."""
    return sum(many for _, many in runs)


def _numbered_with_repeats(elements: Sequence[bytes], known: Known) -> list[int]:
    """An element that is known more than once takes the number that goes on with the run before it, if it
    has that one, and else its first that is still free.
    """
    repeated = {n: e for e, later in known.again.items() for n in (known.numbers[e], *later)}
    candidates = {e: iter((n, *known.again.get(e, ()))) for e, n in known.numbers.items()}
    following = counting(known.next)
    numbers: list[int] = []
    taken: set[int] = set()
    last = -2
    for element in elements:
        number = last + 1
        if number in taken or repeated.get(number) != element:
            free = (n for n in candidates.get(element, ()) if n not in taken)
            number = n if (n := next(free, None)) is not None else next(following)
        taken.add(number)
        numbers.append(number)
        last = number
    return numbers


def _knowing(elements: Sequence[bytes], numbers: list[int], beyond: int) -> Known:
    by_element = dict(zip(elements, numbers, strict=True))
    if len(by_element) == len(numbers):
        return Known(by_element, beyond)
    all_numbers: dict[bytes, list[int]] = {}
    for element, number in zip(elements, numbers, strict=True):
        all_numbers.setdefault(element, []).append(number)
    again = {e: tuple(later) for e, (_, *later) in all_numbers.items() if later}
    return Known({e: first for e, (first, *_) in all_numbers.items()}, beyond, again)


def _runs(numbers: list[int]) -> tuple[Run, ...]:
    if not numbers:
        return ()
    runs: list[Run] = []
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            runs.append((first, last + 1 - first))
            first = number
        last = number
    runs.append((first, last + 1 - first))
    return tuple(runs)
