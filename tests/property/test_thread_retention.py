"""Whatever a thread has been through, pruning it leaves what remains exactly as it was, and nothing besides.

The thread here is its records alone. What it should read as, and which checkpoints have a reason to stay, is
found in the plainest way, checkpoint by checkpoint and element by element.
"""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from copy import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.conversation.core import retention
from services.shared.model.thread import Garbage, Header, Place, Run, Survey

THREAD = "c1.agent"
ROOT, LASTING = "", "memory"
Key = tuple[str, str]
"""Space and checkpoint."""


class Thread:
    """The records of a thread, and the ways they come to be."""

    def __init__(self, deltas: tuple[str, ...] = ()) -> None:
        self.deltas = deltas
        self.headers: dict[Key, Header] = {}
        self.writes: dict[Key, list[tuple[str, str]]] = {}
        self.values: dict[tuple[str, str, str], tuple[Run, ...]] = {}
        self.elements: dict[tuple[str, str, int], str] = {}
        self._lists: dict[Key, list[int]] = {}
        self._made = 0

    def new_id(self) -> str:
        self._made += 1
        return f"{self._made:05}"

    def ids(self, space: str) -> list[str]:
        return sorted(id_ for of, id_ in self.headers if of == space)

    def step(
        self,
        space: str = ROOT,
        *,
        after: str | None = None,
        source: str = "loop",
        edit: str = "append",
        at: int = 0,
        snapshots: tuple[str, ...] = (),
        above: dict[str, str] | None = None,
        silent: tuple[str, ...] = (),
        aware: bool = True,
    ) -> str:
        """A checkpoint after another one (the latest), of which a task wrote to the DeltaChannels but the
        silent ones. Unless it is aware of them it has neither a value of theirs nor a need for one.
        """
        parent = after if after is not None else max(self.ids(space), default="")
        id_ = self.new_id()
        numbers = self._edited(space, self._lists.get((space, parent), []), edit, at)
        before = self.headers.get((space, parent))
        versions = dict(before.versions) if before else {}
        if edit != "nothing" or "list" not in versions:
            versions["list"] = id_
            self.values[space, "list", id_] = _runs(numbers)
        versions["flag"] = id_  # a channel that is only set: it has a version and no value
        for channel in self.deltas:
            if channel in silent and channel not in snapshots and channel in versions:
                continue
            versions[channel] = id_
            if parent:
                self.writes.setdefault((space, parent), []).append((channel, f"made {id_}"))
        for channel in snapshots:
            self.values[space, channel, id_] = ()
        needs = tuple(channel for channel in self.deltas if aware and channel not in snapshots)
        self.headers[space, id_] = Header(parent, versions, needs, source, above or {})
        self._lists[space, id_] = numbers
        return id_

    def _edited(self, space: str, numbers: list[int], edit: str, at: int) -> list[int]:
        at = at % len(numbers) if numbers else 0
        if edit == "nothing":
            return numbers
        if edit == "remove":
            return numbers[:at] + numbers[at + 1 :]
        if edit == "rotate":
            return numbers[at:] + numbers[:at]
        new = sum(1 for key in self.elements if key[0] == space)
        self.elements[space, "list", new] = f"element {new}"
        return [*numbers[:at], new, *numbers[at + 1 :]] if edit == "replace" else [*numbers, new]

    def write(self, space: str, id_: str) -> None:
        self.writes.setdefault((space, id_), []).append(("__interrupt__", f"asks at {id_}"))

    def lose(self, space: str, id_: str) -> None:
        """A failover took a checkpoint back, and left what hangs on it."""
        del self.headers[space, id_]

    def survey(self) -> Survey:
        return Survey(
            {Place(THREAD, *key): header for key, header in self.headers.items()},
            frozenset(Place(THREAD, *key) for key in self.writes),
            dict(self.values),
        )

    def rid_of(self, garbage: Garbage) -> "Thread":
        left = copy(self)
        left.headers, left.values = dict(self.headers), dict(self.values)
        left.writes = {key: list(writes) for key, writes in self.writes.items()}
        left.elements, left._lists = dict(self.elements), dict(self._lists)
        for place in garbage.checkpoints:
            del left.headers[place.space, place.id]
        for place in garbage.writes:
            del left.writes[place.space, place.id]
        for value in garbage.values:
            del left.values[value]
        for space, channel, first, many in garbage.elements:
            for number in range(first, first + many):
                gone = left.elements.pop((space, channel, number), None)
                assert gone is not None, "an element goes twice"
        return left


def _runs(numbers: list[int]) -> tuple[Run, ...]:
    runs: list[Run] = []
    for number in numbers:
        if runs and number == sum(runs[-1]):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((number, 1))
    return tuple(runs)


# What a checkpoint reads as.


def read(thread: Thread, key: Key) -> dict[str, object]:
    """All that can be read at a checkpoint; what is not there any more reads as None."""
    header = thread.headers[key]
    return {
        "header": header,
        "writes": thread.writes.get(key),
        **{f"value {channel}": value_at(thread, key, channel) for channel in header.versions},
        **{f"history of {channel}": _history(thread, key, channel) for channel in needed_at(thread, key)},
    }


def value_at(thread: Thread, key: Key, channel: str) -> object:
    space, _ = key
    version = thread.headers[key].versions.get(channel, "")
    runs = thread.values.get((space, channel, version))
    if runs is None:
        return None
    numbers = [number for first, many in runs for number in range(first, first + many)]
    return version, [thread.elements.get((space, channel, number)) for number in numbers]


def _history(thread: Thread, key: Key, channel: str) -> list[object]:
    found: list[object] = []
    for ancestor in ancestors_for(thread, key, channel):
        found += [write for write in thread.writes.get(ancestor, []) if write[0] == channel]
        found.append(value_at(thread, ancestor, channel))
    return [entry for entry in found if entry is not None]


def needed_at(thread: Thread, key: Key) -> list[str]:
    """A value that an earlier checkpoint brought is as good while the channel's version is the same."""
    return [channel for channel in thread.headers[key].needs if value_at(thread, key, channel) is None]


def ancestors_for(thread: Thread, key: Key, channel: str) -> Iterator[Key]:
    """Those a DeltaChannel is made from: back to the nearest that has a value, as far as they are there."""
    while (key := (key[0], thread.headers[key].parent)) in thread.headers:
        yield key
        if value_at(thread, key, channel) is not None:
            return


# Why a checkpoint stays.


def chosen_by_policy(before: Thread, left: Thread, keep: int) -> set[Key]:
    """What the policy names in itself; `left` tells only of the graphs around."""
    chosen: set[Key] = set()
    for space in {space for space, _ in before.headers}:
        if ":" in space:
            chosen |= {(space, id_) for id_ in before.ids(space) if _step_is_left(before, left, (space, id_))}
        else:
            chosen |= _latest_and_where_they_branched(before, space, keep)
            if space:
                chosen |= _where_replays_begin(before, left, space)
    return chosen


def _latest_and_where_they_branched(before: Thread, space: str, keep: int) -> set[Key]:
    latest = before.ids(space)[-keep:]
    chosen = set(latest)
    for id_ in latest:
        header = before.headers[space, id_]
        branched = any(header.parent < other < id_ for other in latest)
        if header.source in ("fork", "update") or branched:
            chosen.add(header.parent)
    return {(space, id_) for id_ in chosen} & before.headers.keys()


def _where_replays_begin(before: Thread, left: Thread, space: str) -> set[Key]:
    chosen = set()
    for id_ in left.ids(ROOT):
        header = left.headers[ROOT, id_]
        for bound in (id_, header.parent if header.source in ("fork", "update") else id_):
            older = [other for other in before.ids(space) if other < bound]
            chosen |= {(space, other) for other in older[-1:]}
    return chosen


def _step_is_left(before: Thread, left: Thread, key: Key) -> bool:
    above = before.headers[key].above
    for space in sorted(above, key=len, reverse=True):
        if (space, above[space]) in before.headers:
            return (space, above[space]) in left.headers
    return any(may_still_come(left, (space, id_)) for space, id_ in above.items())


def may_still_come(left: Thread, key: Key) -> bool:
    there = left.ids(key[0]) or left.ids(ROOT)
    return all(key[1] > id_ for id_ in there)


# What pruning promises.


def check_pruned(before: Thread, keep: int) -> Thread:
    left = before.rid_of(retention.pruned(before.survey(), keep=keep))
    chosen = chosen_by_policy(before, left, keep)
    assert chosen <= left.headers.keys(), "a checkpoint that was to stay is gone"
    _check_the_rest(before, left, chosen, frozenset())
    assert retention.pruned(left.survey(), keep=keep) == Garbage(), "pruning again drops more"
    return left


def check_without(before: Thread, given_up: set[Key]) -> Thread:
    places = [Place(THREAD, *key) for key in given_up]
    left = before.rid_of(retention.without(before.survey(), places))
    chosen = {key for key in before.headers.keys() - given_up if not _ran_in_what_went(before, left, key)}
    assert chosen <= left.headers.keys(), "a checkpoint that was to stay is gone"
    _check_the_rest(before, left, chosen, given_up)
    assert given_up.isdisjoint(left.writes.keys() - left.headers.keys()), "writes outlive their checkpoint"
    assert retention.without(left.survey(), places) == Garbage(), "doing it again drops more"
    return left


def _ran_in_what_went(before: Thread, left: Thread, key: Key) -> bool:
    around = any(step in before.headers for step in before.headers[key].above.items())
    return ":" in key[0] and around and not _step_is_left(before, left, key)


def _check_the_rest(
    before: Thread, left: Thread, chosen: AbstractSet[Key], given_up: AbstractSet[Key]
) -> None:
    for key in left.headers:
        assert read(left, key) == read(before, key), "a checkpoint reads otherwise"
    _check_nothing_is_there_without_a_reason(before, left, chosen)
    _check_writes(before, left, given_up)
    named = {
        (space, channel, version)
        for (space, _), header in left.headers.items()
        for channel, version in header.versions.items()
    }
    assert left.values.keys() <= named, "a value is left that nothing refers to"
    goes = left.elements.keys() & _used(before) - _used(left)
    assert not goes, "an element is left that no value has"


def _used(thread: Thread) -> set[tuple[str, str, int]]:
    return {
        (space, channel, number)
        for (space, channel, _), runs in thread.values.items()
        for first, many in runs
        for number in range(first, first + many)
    }


def _check_nothing_is_there_without_a_reason(before: Thread, left: Thread, chosen: AbstractSet[Key]) -> None:
    needed = {
        ancestor
        for key in left.headers
        for channel in needed_at(before, key)
        for ancestor in ancestors_for(before, key, channel)
    }
    assert needed <= left.headers.keys(), "an ancestor that a DeltaChannel is made from is gone"
    assert left.headers.keys() <= chosen | needed, "a checkpoint is left without a reason"


def _check_writes(before: Thread, left: Thread, given_up: AbstractSet[Key]) -> None:
    for key in left.writes.keys() - left.headers.keys():
        assert key not in before.headers, "writes outlive their checkpoint"
        assert may_still_come(left, key), "writes are left whose checkpoint will not come"
    for space, id_ in before.writes.keys() - before.headers.keys() - left.writes.keys() - given_up:
        there = before.ids(space) + ([] if left.ids(space) else before.ids(ROOT))
        ahead = all(id_ > other for other in there)
        assert not ahead, "writes are gone whose checkpoint may come"


# Threads of all kinds.

SOURCES = ["loop", "loop", "loop", "input", "fork", "update"]
EDITS = ["append", "append", "replace", "remove", "rotate", "nothing"]
HAPPENINGS = ["goes on", "branches", "remembers", "does a task", "digs deeper", "asks", "overtakes", "loses"]


@st.composite
def threads(draw: st.DrawFn) -> Thread:
    thread = Thread(draw(st.sampled_from([(), ("log",), ("log", "notes")])))
    for _ in range(draw(st.integers(0, 30))):
        _happens(thread, draw)
    return thread


def _happens(thread: Thread, draw: Callable[..., Any]) -> None:
    what = draw(st.sampled_from(HAPPENINGS))
    snapshots = tuple(channel for channel in thread.deltas if draw(st.integers(0, 3)) == 0)
    change: dict[str, Any] = {
        "edit": draw(st.sampled_from(EDITS)),
        "at": draw(st.integers(0, 5)),
        "snapshots": snapshots,
        "silent": tuple(channel for channel in thread.deltas if draw(st.integers(0, 2)) == 0),
        "aware": draw(st.integers(0, 4)) > 0,
    }
    source = draw(st.sampled_from(SOURCES))
    if what == "goes on" or not thread.ids(ROOT):
        thread.step(source=source, **change)
    elif what == "branches":
        space = draw(st.sampled_from(sorted({space for space, _ in thread.headers})))
        above = dict(thread.headers[space, thread.ids(space)[-1]].above)
        after = draw(st.sampled_from(thread.ids(space)))
        thread.step(space, after=after, source=source, above=above, **change)
    elif what == "remembers":
        thread.step(LASTING, source=source, above={ROOT: thread.ids(ROOT)[-1]}, **change)
    elif what == "does a task":
        step = draw(st.sampled_from([*thread.ids(ROOT)[-3:], thread.new_id()]))
        thread.step(f"work:{step}", above={ROOT: step}, **change)
    elif what == "digs deeper":
        space, id_ = draw(st.sampled_from(sorted(key for key in thread.headers if "|" not in key[0])))
        if space:
            above = {**thread.headers[space, id_].above, space: id_}
            thread.step(f"{space}|deep:{id_}", above=above, **change)
    elif what == "asks":
        thread.write(*draw(st.sampled_from(sorted(thread.headers))))
    elif what == "overtakes":
        spaces = sorted({space for space, _ in thread.headers} | {f"work:{thread.ids(ROOT)[-1]}"})
        thread.write(draw(st.sampled_from(spaces)), thread.new_id())
    else:
        thread.lose(*draw(st.sampled_from(sorted(thread.headers))))


@given(threads(), st.integers(1, 6))
def test_what_pruning_leaves_reads_as_before_and_all_of_it_has_a_reason(thread: Thread, keep: int) -> None:
    check_pruned(thread, keep)


@given(threads(), st.data())
def test_what_is_left_without_some_checkpoints_reads_as_before(thread: Thread, data: st.DataObject) -> None:
    keys = sorted(thread.headers.keys() | thread.writes.keys())
    check_without(thread, data.draw(st.sets(st.sampled_from(keys)) if keys else st.just(set())))


@given(threads(), st.integers(1, 6), st.data())
def test_a_thread_that_goes_on_after_it_was_pruned_can_be_pruned_again(
    thread: Thread, keep: int, data: st.DataObject
) -> None:
    for _ in range(3):
        thread = check_pruned(thread, keep)
        for _ in range(data.draw(st.integers(0, 5))):
            _happens(thread, data.draw)


@given(st.integers(1, 6), st.integers(1, 7), st.booleans(), st.booleans(), st.data())
@settings(max_examples=20)
def test_a_linear_thread_of_any_length_keeps_a_bounded_number(
    keep: int, every: int, deltas: bool, pruned_along: bool, data: st.DataObject
) -> None:
    thread = Thread(("log", "notes") if deltas else ())
    for turn in range(data.draw(st.integers(0, 60))):
        snapshots = thread.deltas if turn % every == 0 else ()
        root = thread.step(edit="replace" if turn else "append", snapshots=snapshots)
        thread.step(f"work:{root}", above={ROOT: root})
        thread.step(LASTING, above={ROOT: root}, snapshots=snapshots)
        if pruned_along:
            thread = check_pruned(thread, keep)
    left = check_pruned(thread, keep)
    most = keep + (every if deltas else 0)
    assert len(left.ids(ROOT)) <= most
    assert len(left.ids(LASTING)) <= 2 * most + every
    assert len({space for space, _ in left.headers}) <= 2 + most
    assert len([key for key in left.elements if key[0] == ROOT]) <= most
