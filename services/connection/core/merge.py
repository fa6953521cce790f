"""Where the live road and the repair road meet: what a pod has heard or read becomes what its devices are
shown.

Called by outbound.py, one `ChannelMerge` per followed channel. Pure: it never reads, waits or writes.

Theory. Redis publishes every journal entry (live), may lose, repeat or delay any of it, and may fail over
to a replica that lacks the last entries. The journal itself is the truth, and one atomic read of it is
authoritative for its interval: what is absent inside (deltas of a finished message) was deleted on
purpose. So a channel keeps two positions:

    shown   devices have seen everything up to here, and it is known to be replicated
    tail    everything up to here is in hand; what lies between the two is held

A held entry is let go by a tick (a tiny write and WAIT) that BEGAN after the entry was in hand and was
confirmed under the replication id the entry came from: the replication stream is ordered, so the entry is
on a replica too. A tick confirmed under another id means the master changed: what is held may never have
existed, so it is dropped and read again. Whatever does not fit (a hole, another epoch, a top that is
higher than ours or lower than what was shown) ends in one read, never in a guess.

Where a reading does not lead on (retention dropped events, or deltas of a message that is still unfinished;
a failover took back what was shown), the channel is reset: devices come again, get the unfinished messages
whole, and each one's own position is judged then. `start` takes a top that may not be replicated yet: until
it is, no device comes to live, so taking it back disturbs nobody.
"""

from collections import deque
from dataclasses import dataclass

from services.connection.core.showing import Effect, Move, Reset, Show
from services.shared.model.conversation import Entry, Reading
from services.shared.model.position import Head, Position, serves
from services.shared.wire.envelopes import LivePush

HELD_LIMIT = 4096
"""Entries held per channel while no tick is confirmed (some seconds of the busiest conversation). Policy
beyond it: drop them all and read them again after the next confirmed tick; the journal keeps what memory
does not."""

AHEAD_LIMIT = 1024
"""Live entries kept per channel while a hole before them is being read. Policy beyond it: drop them all
and read once more.
"""

REPLID_IN_EPOCH = 10
"""How many characters of the replication id an epoch begins with (design: inner contracts, section 3)."""


@dataclass(frozen=True, slots=True)
class _Held:
    """Something in hand since tick number `stamp` was the last one begun, under the replication id
    beginning with `origin`.

    A bare position tells that there is nothing (more) up to there.
    """

    stamp: int
    origin: str
    what: Entry | Move | Reset | Position


def _origin(epoch: str) -> str:
    return epoch[:REPLID_IN_EPOCH]


def _epoch_of(head: Head) -> str:
    return head.forks[-1].epoch if head.forks else ""


def _leads_on(reading: Reading, position: Position) -> bool:
    """Whether a reading holds everything that whoever stands at `position` lacks, unfinished texts too."""
    texts_whole = position.offset >= reading.head.low_delta or not (reading.open or reading.underway)
    return texts_whole and serves(reading.head, position)


class ChannelMerge:
    """One channel's merge. Feed it everything that happens; do its effects; when `wants` is set, read the
    journal after that offset, deltas included, and feed the reading; while `holding`, keep ticking.

    immediate: show what is in hand at once, without waiting for a tick (`acks = master`).
    shown: see the module's theory; None until `start`. wants: offset to read after, None when nothing is
    missing.
    """

    __slots__ = ("_ahead", "_held", "_immediate", "_missed", "_stalled", "_tail", "shown", "wants")

    def __init__(self, *, immediate: bool = False) -> None:
        self.shown: Position | None = None
        self.wants: int | None = None
        self._immediate = immediate
        self._tail = Position("", 0)
        self._held: deque[_Held] = deque()
        self._ahead: dict[Position, LivePush] = {}
        self._missed = False
        self._stalled = False

    @property
    def held(self) -> int:
        """Entries in hand and not shown yet."""
        return len(self._held)

    @property
    def holding(self) -> bool:
        """Whether a confirmed tick would let something go."""
        return bool(self._held) or self._stalled

    def start(self, head: Head) -> None:
        """Begin at `head`: nothing up to its top will be shown here (devices that join read it
        themselves). Once only.
        """
        if self.shown is None:
            self.shown = self._tail = Position(_epoch_of(head), head.top)

    def heard(self, push: LivePush, begun: int) -> list[Effect]:
        """Take a live push. `begun`: number of the last tick begun so far."""
        position = push.position
        if position is None:
            return [Show("", (Entry(0, push.kind, push.body),))]
        if self.shown is None or self._stalled:
            return []
        tail = self._tail
        if position.epoch == tail.epoch and position.offset <= tail.offset:
            return []
        if position.epoch != tail.epoch:
            return self._heard_elsewhere(push, position)
        if position.offset > tail.offset + 1:
            return self._heard_beyond_a_hole(push, position)
        self._hold_push(push, position, begun)
        return self._settle()

    def read(self, reading: Reading, begun: int) -> list[Effect]:
        """Take a reading of the journal, deltas included, that was asked for because of `wants` (or at any
        other time).
        """
        if self.shown is None or self._stalled:
            return []
        self.wants = None
        if _epoch_of(reading.head) == self._tail.epoch and reading.since <= self._tail.offset:
            self._extend(reading, begun)
        elif reading.since <= self.shown.offset:
            self._cross(reading, begun)
        else:
            self.wants = self.shown.offset
            return []
        self._absorb_ahead(begun)
        return self._settle()

    def confirmed(self, tick: int, replid: str) -> list[Effect]:
        """Tick number `tick` was confirmed by a replica under `replid`: let go what was in hand before it
        began.
        """
        if self._stalled:
            self._stalled = False
            self._read_again()
            return []
        held, origin = self._held, _origin(replid)
        ripe: list[_Held] = []
        while held and held[0].stamp < tick and held[0].origin == origin:
            ripe.append(held.popleft())
        effects = self._let_go(ripe)
        if held and held[0].stamp < tick:
            self._forget()
            self._read_again()
        return effects

    def compared(self, head: Head) -> None:
        """Take a head read on its own: it finds what was lost without leaving a hole, and a change of
        epoch or a failover in silence.
        """
        if self.shown is None or self._stalled or self.wants is not None:
            return
        if _epoch_of(head) != self._tail.epoch:
            self.wants = self.shown.offset
        elif head.top > self._tail.offset:
            self.wants = self._tail.offset
        elif head.top < self.shown.offset:  # an old head, or a new master that lacks our last entries
            self.wants = self.shown.offset

    # ---------------------------------------- the live road

    def _heard_elsewhere(self, push: LivePush, position: Position) -> list[Effect]:
        """Another epoch: only a reading can tell whether it is newer than ours, and where it forked off."""
        if self.wants is None:
            self._read_again()
        else:
            self._keep_ahead(push, position)
        return []

    def _heard_beyond_a_hole(self, push: LivePush, position: Position) -> list[Effect]:
        self._keep_ahead(push, position)
        if self.wants is None:
            self.wants = self._tail.offset
        return []

    def _keep_ahead(self, push: LivePush, position: Position) -> None:
        if len(self._ahead) >= AHEAD_LIMIT:
            self._ahead.clear()
            self._missed = True
        self._ahead[position] = push

    def _hold_push(self, push: LivePush, position: Position, begun: int) -> None:
        if len(self._held) >= HELD_LIMIT:
            self._forget()
            self._stalled = True
            return
        entry = Entry(position.offset, push.kind, push.body)
        self._held.append(_Held(begun, _origin(position.epoch), entry))
        self._tail = position

    def _absorb_ahead(self, begun: int) -> None:
        """After a reading: go on with what was heard meanwhile; what still does not fit asks for another
        reading.
        """
        tail = self._tail
        while push := self._ahead.pop(Position(tail.epoch, tail.offset + 1), None):
            tail = Position(tail.epoch, tail.offset + 1)
            self._hold_push(push, tail, begun)
        left = [each for each in self._ahead if each.epoch != tail.epoch or each.offset > tail.offset]
        if left or self._missed:
            self._read_again()
        self._ahead.clear()
        self._missed = False

    # ---------------------------------------- the repair road

    def _extend(self, reading: Reading, begun: int) -> None:
        """A reading of the epoch in hand. One that ends below the tail is only old, unless a later master
        than the epoch's own made it: then it has all that is left of the epoch.
        """
        if _leads_on(reading, self._tail):
            self._hold_entries(reading, self._tail.offset, begun)
        elif reading.head.top >= self._tail.offset or self._was_taken_back(reading):
            self._cross_to(Reset(reading.head.position), reading, begun)

    def _cross(self, reading: Reading, begun: int) -> None:
        """A reading of another epoch: what is held belongs to a lost one, and everything after `shown` is
        taken from here.
        """
        shown, top = self._known_shown(), Position(_epoch_of(reading.head), reading.head.top)
        if _leads_on(reading, shown):
            self._cross_to(Move(Position(top.epoch, shown.offset)), reading, begun)
            self._hold_entries(reading, shown.offset, begun)
        else:
            self._cross_to(Reset(top), reading, begun)

    def _cross_to(self, crossing: Move | Reset, reading: Reading, begun: int) -> None:
        self._held.clear()
        self._held.append(_Held(begun, _origin(reading.replid), crossing))
        self._tail = crossing.position

    def _was_taken_back(self, reading: Reading) -> bool:
        """Whether what was shown last is lost: its epoch ended below it. A reading under the epoch's own
        master cannot tell, for entries may have come since.
        """
        epoch_is_over = _origin(reading.replid) != _origin(self._tail.epoch)
        return epoch_is_over and reading.head.top < self._known_shown().offset

    def _hold_entries(self, reading: Reading, after: int, begun: int) -> None:
        """Hold what a reading has after an offset, and that it has nothing else up to its top."""
        top, origin = reading.head.top, _origin(reading.replid)
        news = [each for each in reading.entries if each.offset > after]
        self._held.extend(_Held(begun, origin, each) for each in news)
        if top > (news[-1].offset if news else after):
            self._held.append(_Held(begun, origin, Position(self._tail.epoch, top)))
        self._tail = Position(self._tail.epoch, max(after, top))

    def _forget(self) -> None:
        """Drop all that is held, as if it had never been in hand."""
        self._held.clear()
        self._ahead.clear()
        self._tail = self._known_shown()

    def _read_again(self) -> None:
        self.wants = self._known_shown().offset

    # ---------------------------------------- showing

    def _settle(self) -> list[Effect]:
        if not self._immediate:
            return []
        ripe = list(self._held)
        self._held.clear()
        return self._let_go(ripe)

    def _let_go(self, ripe: list[_Held]) -> list[Effect]:
        """Turn what is confirmed into effects and advance `shown` over it."""
        effects: list[Effect] = []
        entries: list[Entry] = []
        for what in (each.what for each in ripe):
            if isinstance(what, Entry):
                entries.append(what)
                self.shown = Position(self._known_shown().epoch, what.offset)
            elif isinstance(what, Position):
                self.shown = what
            else:  # only ever the first: whatever was held before a crossing is dropped when it is found
                effects.append(what)
                self.shown = what.position
        if entries:
            effects.append(Show(self._known_shown().epoch, tuple(entries)))
        return effects

    def _known_shown(self) -> Position:
        assert self.shown is not None, "the merge was not started"
        return self.shown
