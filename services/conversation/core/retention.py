"""What of a thread is to go, decided over its headers alone.

Called by the graph's room after a turn (`pruned`) and where runs are deleted (`without`); the bus carries it
out. Never takes what a checkpoint that stays refers to: its values and their elements, its pending writes,
and the ancestors its DeltaChannels are made from.

Of every graph's checkpoints these stay:

- In the root graph's space, and in a *lasting* one (a subgraph that keeps its memory over turns), the latest
  `keep` by id. The parent of one of these stays too if it is a fork or an update, or if another of them is
  newer than that parent: then it went on from an older one, and a branch begins there. So in a thread
  without branches nothing is added, and parents that stay bring no further ones.
- In the root also the last before each of the latest `turns`: there the thread stood before the turn, and
  there it can be brought back to. A header says which turn made it; what none did (a thread was brought to
  rest) belongs to what follows.
- In a lasting space also the latest before each checkpoint of the root that stays: with that one the subgraph
  begins when the root is run from there again (LangGraph's ReplayState).
- In a space that lives for one task, all while the step stays in which the task ran: the checkpoint of the
  graph around it.
- Of each of these the ancestors it needs for a DeltaChannel, back to the nearest value. They can be read like
  any other, so they stay whole, with what they themselves need. Where no checkpoint has a value of all
  of a graph's DeltaChannels, this holds a thread's whole past.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from services.shared.model.thread import Garbage, Header, Place, Run, Survey

Headers = Mapping[str, Header]
"""One space's headers by their checkpoint's id."""
Staying = dict[str, set[str]]
"""Space -> ids of the checkpoints that stay. Spaces are decided from the root inwards."""

_ROOT = ""
_LEVEL = "|"
_TASK = ":"
_BRANCHING = ("fork", "update")


def pruned(survey: Survey, *, keep: int, turns: int = 0) -> Garbage:
    """What goes when `keep` checkpoints of each lasting space stay, and where the root stood before each of
    the latest `turns`, and what these take with them.

    What may still be on its way stays: pending writes, and checkpoints of a task, whose own checkpoint or
    step is not there but newer than what is. Raises ValueError if `keep` is below 1.
    """
    if keep < 1:
        raise ValueError(f"at least one checkpoint has to stay, not {keep}")
    spaces = _by_space(survey)
    staying: Staying = {}
    for space, headers in spaces.items():
        if _of_one_task(space):
            chosen = _of_staying_steps(space, spaces, staying, keep)
        else:
            chosen = _latest(headers, keep) | _origins(headers, keep)
            chosen |= _before_turns(headers, turns) if space == _ROOT else set()
            chosen |= _begun_with_again(headers, spaces.get(_ROOT, {}), staying)
        staying[space] = _with_history(space, headers, chosen, survey)
    return _rest(survey, staying)


def behind(survey: Survey, made: Collection[Place]) -> list[Place]:
    """These, and all checkpoints of the root behind the first of its own among them."""
    first = min((place.id for place in made if place.space == _ROOT), default=None)
    if first is None:
        return list(made)
    later = {place for place in survey.headers if place.space == _ROOT and place.id >= first}
    return [*later.union(made)]


def without(survey: Survey, places: Collection[Place]) -> Garbage:
    """What goes with these checkpoints: they and their writes, but for those that a staying one needs for a
    DeltaChannel; the checkpoints of tasks that ran in them; and what nothing refers to any more.
    """
    spaces = _by_space(survey)
    given_up = {(place.space, place.id) for place in places}
    staying: Staying = {}
    for space, headers in spaces.items():
        chosen = {checkpoint for checkpoint in headers if (space, checkpoint) not in given_up}
        if _of_one_task(space):
            chosen = {
                checkpoint
                for checkpoint in chosen
                if not _step_goes(space, headers[checkpoint], spaces, staying)
            }
        staying[space] = _with_history(space, headers, chosen, survey)
    return _rest(survey, staying, given_up)


def _by_space(survey: Survey) -> dict[str, dict[str, Header]]:
    """The headers of each space, oldest first; the spaces from the root inwards."""
    spaces: dict[str, dict[str, Header]] = {}
    for place in sorted(survey.headers, key=lambda place: (_depth(place.space), place.space, place.id)):
        spaces.setdefault(place.space, {})[place.id] = survey.headers[place]
    return spaces


def _depth(space: str) -> int:
    return 1 + space.count(_LEVEL) if space else 0


def _of_one_task(space: str) -> bool:
    """Whether the space lives for one task: its name, `node:<task>` (and `|<n>` for a task's further
    graphs), or that of a graph around it names the task. LangGraph strips a lasting one of all tasks.
    """
    return _TASK in space


def _latest(headers: Headers, keep: int) -> set[str]:
    return set(list(headers)[-keep:])


def _before_turns(headers: Headers, turns: int) -> set[str]:
    """The last checkpoint of each of the latest turns, and of what is before them: a turn of which nothing is
    left would not be known any more by the next prune.
    """
    found, counted = set[str](), 0
    for before, checkpoint in reversed([*pairwise(headers)]):
        if counted == turns:
            break
        if headers[before].turn != headers[checkpoint].turn:
            counted += bool(headers[checkpoint].turn)
            found.add(before)
    return found


def _origins(headers: Headers, keep: int) -> set[str]:
    """The parents of those of the latest that did not simply go on from the one before."""
    latest = list(headers)[-keep:]
    origins = {
        headers[checkpoint].parent for checkpoint in latest if headers[checkpoint].source in _BRANCHING
    }
    origins |= {
        headers[checkpoint].parent
        for before, checkpoint in pairwise(latest)
        if headers[checkpoint].parent < before
    }
    return origins & headers.keys()


def _begun_with_again(headers: Headers, root: Headers, staying: Staying) -> set[str]:
    """The latest before each staying checkpoint of the root; before its parent, where it is a fork."""
    ids = list(headers)
    bounds = set(staying.get(_ROOT, ()))
    bounds |= {root[checkpoint].parent for checkpoint in bounds if root[checkpoint].source in _BRANCHING}
    return {ids[at - 1] for bound in bounds if (at := bisect_left(ids, bound))}


def _of_staying_steps(space: str, spaces: Mapping[str, Headers], staying: Staying, keep: int) -> set[str]:
    """Checkpoints of a task whose step stays or may be on its way; without a word of it, the latest."""
    headers = spaces[space]
    latest = _latest(headers, keep)
    chosen = set()
    for checkpoint, header in headers.items():
        around = _around(space, header)
        if not around:
            stays = checkpoint in latest
        elif step := _step(around, spaces):
            stays = step[1] in staying[step[0]]
        else:
            stays = any(_may_come(*one, staying) for one in around)
        if stays:
            chosen.add(checkpoint)
    return chosen


def _step_goes(space: str, header: Header, spaces: Mapping[str, Headers], staying: Staying) -> bool:
    step = _step(_around(space, header), spaces)
    return step is not None and step[1] not in staying[step[0]]


def _around(space: str, header: Header) -> list[tuple[str, str]]:
    """Space and checkpoint of the graphs around this one, the nearest first."""
    outer = [one for one in header.above.items() if _depth(one[0]) < _depth(space)]
    return sorted(outer, key=lambda one: -_depth(one[0]))


def _step(around: Sequence[tuple[str, str]], spaces: Mapping[str, Headers]) -> tuple[str, str] | None:
    """The nearest checkpoint around that there is: not all are kept (LangGraph's durability "exit")."""
    return next((one for one in around if one[1] in spaces.get(one[0], {})), None)


def _may_come(space: str, checkpoint: str, staying: Staying) -> bool:
    """Whether a checkpoint that is not there may be on its way: it is newer than all that stay in its space,
    or in the root's where none do. A worker that died leaves such names, too, but then the thread goes on.
    """
    return checkpoint > max(staying.get(space) or staying.get(_ROOT) or {""})


def _with_history(space: str, headers: Headers, chosen: Iterable[str], survey: Survey) -> set[str]:
    """These, and the ancestors that they and these ancestors need for a DeltaChannel."""
    staying = set(chosen)
    asked: dict[str, set[str]] = {}  # of an ancestor: channels it has no value of, for its descendants
    todo = list(staying)
    while todo:
        checkpoint = todo.pop()
        own = headers[checkpoint]
        # A snapshot stays good in the checkpoints after it, until the channel has another version.
        needs = {channel for channel in own.needs if not _has_value(survey, space, channel, own.versions)}
        needs |= asked.get(checkpoint, set())
        parent = own.parent
        if not needs or parent not in headers:
            continue
        versions = headers[parent].versions
        missing = {channel for channel in needs if not _has_value(survey, space, channel, versions)}
        if parent in staying and missing <= asked.get(parent, set()):
            continue
        staying.add(parent)
        asked.setdefault(parent, set()).update(missing)
        todo.append(parent)
    return staying


def _has_value(survey: Survey, space: str, channel: str, versions: Mapping[str, str]) -> bool:
    return channel in versions and (space, channel, versions[channel]) in survey.values


def _rest(survey: Survey, staying: Staying, given_up: Collection[tuple[str, str]] = ()) -> Garbage:
    """All that is not part of the staying checkpoints; of writes also what may be on its way stays."""
    going = [place for place in survey.headers if place.id not in staying[place.space]]
    writes = [place for place in survey.written if not _writes_stay(place, survey, staying, given_up)]
    values = _unnamed_values(survey, staying)
    return Garbage(
        checkpoints=tuple(sorted(going, key=_by_place)),
        writes=tuple(sorted(writes, key=_by_place)),
        values=tuple(sorted(values)),
        elements=tuple(_unused_elements(survey, values)),
    )


def _by_place(place: Place) -> tuple[str, str]:
    return place.space, place.id


def _writes_stay(
    place: Place, survey: Survey, staying: Staying, given_up: Collection[tuple[str, str]]
) -> bool:
    if place in survey.headers:
        return place.id in staying[place.space]
    return (place.space, place.id) not in given_up and _may_come(place.space, place.id, staying)


def _unnamed_values(survey: Survey, staying: Staying) -> set[tuple[str, str, str]]:
    named = {
        (place.space, channel, version)
        for place, header in survey.headers.items()
        if place.id in staying[place.space]
        for channel, version in header.versions.items()
    }
    return survey.values.keys() - named


def _unused_elements(
    survey: Survey, gone: Collection[tuple[str, str, str]]
) -> Iterator[tuple[str, str, int, int]]:
    """Elements of the values that go, which no other value of the channel has."""
    left: dict[tuple[str, str], list[Run]] = {}
    used: dict[tuple[str, str], list[Run]] = {}
    for (space, channel, version), runs in survey.values.items():
        side = left if (space, channel, version) in gone else used
        side.setdefault((space, channel), []).extend(runs)
    for (space, channel), runs_left in sorted(left.items()):
        for first, many in _difference(runs_left, used.get((space, channel), [])):
            yield space, channel, first, many


def _difference(runs: Iterable[Run], others: Iterable[Run]) -> Iterator[Run]:
    """Runs over the numbers that are in `runs` and not in `others`: each once, in order."""
    barriers = _intervals(others)
    at = 0
    for first, end in _intervals(runs):
        start = first
        while at < len(barriers) and barriers[at][1] <= start:
            at += 1
        ahead = at
        while ahead < len(barriers) and barriers[ahead][0] < end:
            if start < barriers[ahead][0]:
                yield start, barriers[ahead][0] - start
            start = barriers[ahead][1]
            ahead += 1
        if start < end:
            yield start, end - start


def _intervals(runs: Iterable[Run]) -> list[tuple[int, int]]:
    """What the runs cover, as (first, one beyond the last): in order, and no two touch."""
    intervals: list[tuple[int, int]] = []
    for first, many in sorted(run for run in runs if run[1] > 0):
        if intervals and first <= intervals[-1][1]:
            intervals[-1] = (intervals[-1][0], max(intervals[-1][1], first + many))
        else:
            intervals.append((first, first + many))
    return intervals
