"""A graph's thread as it is kept: checkpoints, the values of their channels, and what tasks wrote.

Everything a graph made is opaque here: a name of its serialised form and the bytes. What the store has to
know of a checkpoint to link, page and prune it stands in its header.

A thread's id is `<conversation>.<agent>`. A *space* is LangGraph's checkpoint namespace: "" for the graph
itself, another for each subgraph. Ids of checkpoints sort by age.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Typed = tuple[str, bytes]
"""A serialised value: the name of its form (`msgpack`, `bytes`, `null`, ...) and the bytes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a checkpoint stands. An empty id stands for the space's latest, where something is read."""

    thread: str
    space: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """What the store must know of a checkpoint.

    parent: id of the one before it in the same space, empty for the first. versions: channel -> version, as
    text; a channel's value is kept under it. needs: channels that have no value of their own here: it is
    what their ancestors' writes make of the nearest value (LangGraph's DeltaChannel). source: input, loop,
    update or fork. above: space -> checkpoint id of the graphs this subgraph ran in.
    turn: which made it, empty for none; None where the release that wrote it did not say.
    """

    parent: str
    versions: Mapping[str, str]
    needs: tuple[str, ...] = ()
    source: str = "loop"
    above: Mapping[str, str] = field(default_factory=dict)
    turn: str | None = None


class Kind(StrEnum):
    """What is made of shared elements: a list, or a dict (each element a key and its value)."""

    LIST = "list"
    DICT = "dict"


Run = tuple[int, int]
"""Consecutive elements of a channel: the first one's number, and how many."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A value whose elements it shares with other versions of the channel: runs, in order.

    elements: what the runs stand for, in their order; filled where a value is read.
    """

    kind: Kind
    runs: tuple[Run, ...]
    elements: tuple[Typed, ...] = ()


@dataclass(frozen=True, slots=True)
class NewCheckpoint:
    """A checkpoint to keep.

    values: channel -> its value at `header.versions[channel]`, of those that changed; None: it has none at
    that version. elements: channel -> number -> element, of those no earlier version brought. whole:
    `values` are all there are and nothing of an earlier version is shared, so it may be kept although its
    parent is gone. stands_on: task and index of the parent's pending writes that channels of `header.needs`
    are made from: these must be there like the parent.
    """

    place: Place
    header: Header
    body: Typed
    values: Mapping[str, Typed | Shared | None]
    elements: Mapping[str, Mapping[int, Typed]] = field(default_factory=dict)
    whole: bool = False
    stands_on: tuple[tuple[str, int], ...] = ()


class Keeping(StrEnum):
    """What became of a checkpoint that was to be kept."""

    KEPT = "kept"
    NO_PARENT = "no_parent"
    """Nothing was stored: the parent, or a write it stands on, is not there (a failover took it back, or
    it was pruned).
    """
    CLASH = "clash"
    """Nothing was stored: another branch has used the number of a new element for another one."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write of a task, pending at the checkpoint it started from.

    index: its place among the task's writes; below zero for LangGraph's special ones, of which the latest
    counts, as of the others the first does. path: where in the step the task stood.
    """

    task: str
    index: int
    path: str
    channel: str
    value: Typed


@dataclass(frozen=True, slots=True)
class Outline:
    """A checkpoint without its values."""

    place: Place
    header: Header
    body: Typed


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A checkpoint as it was read: channel -> value (channels without one are left out), and its pending
    writes in the order of (path, task, index).
    """

    place: Place
    header: Header
    body: Typed
    values: Mapping[str, Typed | Shared]
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """What a channel's ancestors contributed: the writes since the nearest value, oldest first, and that
    value.
    """

    writes: tuple[Write, ...] = ()
    seed: Typed | Shared | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """All that a thread keeps, without contents: for deciding what to prune.

    headers: of each checkpoint. written: places (checkpoints, kept or not) that have pending writes.
    values: (space, channel, version) -> its runs, empty for values without shared elements. digest: by which
    the store tells whether the thread still has these checkpoints and writes and no others.
    """

    headers: Mapping[Place, Header]
    written: frozenset[Place]
    values: Mapping[tuple[str, str, str], tuple[Run, ...]]
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Garbage:
    """What is to go from a thread: checkpoints, places whose writes go, values (space, channel, version),
    and elements (space, channel, first number, how many).
    """

    checkpoints: tuple[Place, ...] = ()
    writes: tuple[Place, ...] = ()
    values: tuple[tuple[str, str, str], ...] = ()
    elements: tuple[tuple[str, str, int, int], ...] = ()
