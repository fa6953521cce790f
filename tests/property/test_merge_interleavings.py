"""A pod's merge under any interleaving of live pushes, losses, repeats, readings, ticks, failovers and
joining devices.

The world below is a model of the truth (a journal on a master, its replica, the pub/sub wire), not an
imitation of Redis: it exists to be compared with what devices rendered. Every device must have seen each
non-delta event once and in order, hold the exact text of every unfinished message, and be told `recovered:
false` only when its position was really lost.
"""

import copy
import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from services.connection.core.joining import JoinMerge
from services.connection.core.merge import ChannelMerge
from services.connection.core.showing import Effect, Show
from services.shared.model.conversation import Entry, OpenMessage, Reading
from services.shared.model.ids import AgentName, AttemptId, MessageId, TurnId
from services.shared.model.position import Fork, Head, Position, serves
from services.shared.wire.envelopes import LivePush

DEVICES = 3


@dataclass
class Journal:
    """What one Redis server holds: `truth` keeps every entry ever appended, also those compacted or
    trimmed away.
    """

    replid: str
    forks: tuple[Fork, ...] = ()
    low: int = 0
    low_delta: int = 0
    truth: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)
    open: dict[str, str] = field(default_factory=dict)

    @property
    def top(self) -> int:
        return len(self.truth)

    @property
    def head(self) -> Head:
        return Head(self.top, self.low, self.forks, self.low_delta)

    def append(self, kind: str, body: dict[str, Any]) -> LivePush:
        epoch = f"{self.replid[:10]}.b"
        if not self.forks or self.forks[-1].epoch != epoch:
            self.forks = (*self.forks, Fork(epoch, self.top + 1))
        self.truth.append((kind, body))
        return LivePush(kind, Position(epoch, self.top), json.dumps(body).encode())

    def read(self, since: int, *, deltas: bool) -> Reading:
        kept = [
            Entry(offset, kind, json.dumps(body).encode())
            for offset, (kind, body) in enumerate(self.truth, start=1)
            if offset > since and offset not in self.gone and (deltas or kind == "e")
        ]
        unfinished = tuple(
            OpenMessage(MessageId(m), AgentName("a"), TurnId("t"), AttemptId("x"), text, len(text))
            for m, text in self.open.items()
        )
        return Reading(True, self.head, self.replid, "member", since, tuple(kept), unfinished)


class Device:
    """A device as an SDK and a client render it: a log of events, the texts of unfinished messages, a
    position.
    """

    def __init__(self) -> None:
        self.state = "away"
        self.position: Position | None = None
        self.mark: Any = None  # the truth's entry at `position`, to judge recovery without epochs
        self.base = 0
        self.log: list[str] = []
        self.texts: dict[str, str] = {}
        self.reading: Reading | None = None
        self.journal: Journal | None = None  # a copy of the server as it was read
        self.stamp = 0
        self.above = 0  # the top of the reading it went live with

    def apply(self, epoch: str, entry: Entry, seen: dict[str, Any] | None = None) -> None:
        assert self.position is not None
        assert entry.offset > self.position.offset, "an event came twice, or out of order"
        self.position = Position(epoch, entry.offset)
        body = seen or json.loads(entry.body)
        self.mark = body
        if entry.kind == "d":
            assert body["at"] == len(self.texts[body["m"]]), "a piece of text is missing or repeated"
            self.texts[body["m"]] += body["text"]
            return
        self.log.append(body["id"])
        if body["type"] == "started":
            self.texts[body["m"]] = ""
        elif body["type"] == "completed":
            self.texts.pop(body["m"])

    def leave(self) -> None:
        self.state, self.reading = "away", None


class Pod(RuleBasedStateMachine):
    """One pod and one channel; the rules are everything that can happen to them, in any order."""

    immediate = False

    @initialize()
    def begin(self) -> None:
        self.serial = 0
        self.master = Journal("A" * 40)
        self.master.append("e", self.body("born"))
        self.replica = copy.deepcopy(self.master)
        self.past: Journal | None = None
        self.wire: list[LivePush] = []
        self.merge = ChannelMerge(immediate=self.immediate)
        self.joins = JoinMerge()
        self.begun = 0
        self.ticks: list[tuple[int, str]] = []
        self.confirmations: list[tuple[int, str]] = []
        self.repair: Reading | None = None
        self.tops: Head | None = None
        self.devices = [Device() for _ in range(DEVICES)]

    # -- the world

    def body(self, what: str, **more: Any) -> dict[str, Any]:
        self.serial += 1
        return {"type": what, "id": f"{what}-{self.serial}", **more}

    def publish(self, push: LivePush) -> None:
        self.wire.append(push)

    @rule()
    def somebody_says_something(self) -> None:
        self.publish(self.master.append("e", self.body("created")))

    @rule()
    def an_agent_begins(self) -> None:
        body = self.body("started")
        body["m"] = body["id"]
        self.master.open[body["m"]] = ""
        self.publish(self.master.append("e", body))

    @precondition(lambda self: self.master.open)
    @rule(which=st.integers(0, 9), many=st.integers(1, 3))
    def an_agent_speaks(self, which: int, many: int) -> None:
        m = sorted(self.master.open)[which % len(self.master.open)]
        for _ in range(many):
            text = self.master.open[m]
            self.master.open[m] += "ab"
            self.publish(self.master.append("d", self.body("delta", m=m, at=len(text), text="ab")))

    @precondition(lambda self: self.master.open)
    @rule(which=st.integers(0, 9))
    def an_agent_ends(self, which: int) -> None:
        m = sorted(self.master.open)[which % len(self.master.open)]
        del self.master.open[m]
        truth = enumerate(self.master.truth, start=1)
        self.master.gone |= {offset for offset, (kind, body) in truth if kind == "d" and body["m"] == m}
        self.publish(self.master.append("e", self.body("completed", m=m)))

    @rule(keep=st.integers(1, 6))
    def retention_drops_old_entries(self, keep: int) -> None:
        upto = self.master.top - keep
        dropped = [o for o in range(1, upto + 1) if o not in self.master.gone]
        self.master.gone |= set(dropped)
        events = [o for o in dropped if self.master.truth[o - 1][0] == "e"]
        deltas = [o for o in dropped if self.master.truth[o - 1][0] == "d"]
        self.master.low = max([self.master.low, *events])
        self.master.low_delta = max([self.master.low_delta, *deltas])

    @rule()
    def the_replica_catches_up(self) -> None:
        self.replica = copy.deepcopy(self.master)

    @rule()
    def the_master_dies(self) -> None:
        self.past = self.master
        self.master = copy.deepcopy(self.replica)
        self.master.replid = f"{self.serial:010d}" + self.past.replid[10:]
        self.serial += 1
        self.replica = copy.deepcopy(self.master)
        self.ticks.clear()

    # -- the live road

    @precondition(lambda self: self.wire)
    @rule()
    def a_push_arrives(self) -> None:
        self.do(self.merge.heard(self.wire.pop(0), self.begun))

    @precondition(lambda self: self.wire)
    @rule(which=st.integers(0, 9))
    def a_push_arrives_out_of_order(self, which: int) -> None:
        self.do(self.merge.heard(self.wire.pop(which % len(self.wire)), self.begun))

    @precondition(lambda self: self.wire)
    @rule(which=st.integers(0, 9))
    def a_push_is_repeated(self, which: int) -> None:
        self.do(self.merge.heard(self.wire[which % len(self.wire)], self.begun))

    @precondition(lambda self: self.wire)
    @rule(which=st.integers(0, 9))
    def a_push_is_lost(self, which: int) -> None:
        self.wire.pop(which % len(self.wire))

    @rule()
    def everything_published_is_lost(self) -> None:
        self.wire.clear()

    # -- ticks, readings, comparisons

    @rule()
    def a_tick_begins(self) -> None:
        self.begun += 1
        self.ticks.append((self.begun, self.master.replid))

    @precondition(lambda self: self.ticks)
    @rule()
    def a_tick_is_replicated(self) -> None:
        self.the_replica_catches_up()
        self.confirmations += self.ticks
        self.ticks.clear()

    @precondition(lambda self: self.confirmations)
    @rule()
    def a_confirmation_arrives(self) -> None:
        tick, replid = self.confirmations.pop(0)
        self.do(self.merge.confirmed(tick, replid))
        for device in self.devices:
            if device.reading is not None and device.stamp < tick:
                self.answer(device, replid)

    def server(self, stale: bool) -> Journal:
        return self.past if stale and self.past is not None and not self.immediate else self.master

    @precondition(lambda self: self.merge.wants is not None and self.repair is None)
    @rule(stale=st.booleans())
    def a_repair_reads(self, stale: bool) -> None:
        assert self.merge.wants is not None
        self.repair = self.server(stale).read(self.merge.wants, deltas=True)

    @precondition(lambda self: self.repair is not None)
    @rule()
    def a_repair_arrives(self) -> None:
        reading, self.repair = self.repair, None
        assert reading is not None
        self.do(self.merge.read(reading, self.begun))

    @rule(stale=st.booleans())
    def tops_are_read(self, stale: bool) -> None:
        self.tops = self.server(stale).head

    @precondition(lambda self: self.tops is not None)
    @rule()
    def tops_arrive(self) -> None:
        assert self.tops is not None
        self.merge.compared(self.tops)

    # -- devices

    @rule(i=st.integers(0, DEVICES - 1))
    def a_device_begins_to_join(self, i: int) -> None:
        device = self.devices[i]
        if device.state == "away":
            device.state = "joining"
            self.joins.begin(self.merge.shown)

    @rule(i=st.integers(0, DEVICES - 1), stale=st.booleans())
    def a_joining_device_reads(self, i: int, stale: bool) -> None:
        device = self.devices[i]
        if device.state != "joining" or device.reading is not None:
            return
        server = self.server(stale)
        since = server.top if device.position is None else device.position.offset
        device.journal = copy.deepcopy(server)
        device.reading = server.read(since, deltas=False)
        device.stamp = self.begun
        self.merge.start(server.head)
        assert self.merge.shown is not None
        self.joins.started(self.merge.shown)
        self.merge.compared(server.head)

    @rule(i=st.integers(0, DEVICES - 1))
    def a_device_leaves(self, i: int) -> None:
        if self.devices[i].state == "joining":
            self.joins.end()
        self.devices[i].leave()

    def answer(self, device: Device, replid: str) -> None:
        """What outbound.py does when a joiner's reading is confirmed: reply, buffered, live, in one step;
        or read again.
        """
        reading, device.reading = device.reading, None
        assert reading is not None
        assert device.journal is not None
        top = reading.head.position
        entries = self.joins.answer(top) if reading.replid == replid else None
        if entries is None:
            return
        recovered = device.position is not None and serves(reading.head, device.position)
        self.check_recovery(device, recovered)
        publications = reading.entries
        if not recovered:
            device.log, device.base, device.position, publications = (
                [],
                top.offset,
                Position(top.epoch, 0),
                (),
            )
        device.texts = {each.message: each.text for each in reading.open}
        texts = dict(device.texts)
        for each in publications:
            device.texts.setdefault(json.loads(each.body).get("m"), "")
            device.apply(top.epoch, each)
        device.texts = texts
        device.position, device.mark = top, device.journal.truth[top.offset - 1][1]
        for each in entries:
            device.apply(top.epoch, each)
        device.state, device.above = "live", top.offset
        self.joins.end()

    def check_recovery(self, device: Device, recovered: bool) -> None:
        if device.position is None or device.journal is None:
            return
        offset, truth = device.position.offset, device.journal.truth
        known = offset <= len(truth) and truth[offset - 1][1] == device.mark
        assert recovered == (known and offset >= device.journal.low), "recovery was judged wrong"
        assert known or self.immediate, "a device was shown something a failover could lose"

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Show):
                self.joins.show(effect)
                for device in self.devices:
                    for entry in effect.entries if device.state == "live" else ():
                        if entry.offset > device.above:
                            device.apply(effect.epoch, entry)
            else:
                self.joins.cross(effect.position)
                for device in self.devices:
                    if device.state == "live":
                        device.leave()

    # -- the end

    @rule()
    def everything_settles(self) -> None:
        """When nothing new happens any more, all devices end with the truth within a few rounds."""
        for _ in range(12):
            self.one_quiet_round()
        top = self.master.top
        for device in self.devices:
            assert device.state == "live", "a device never came to live"
            truth = list(enumerate(self.master.truth, start=1))
            expected = [body["id"] for o, (kind, body) in truth if kind == "e" and device.base < o <= top]
            assert device.log == expected, "a device shows other events than there are"
            assert device.texts == self.master.open, "a device shows other texts than there are"

    def one_quiet_round(self) -> None:
        while self.wire:
            self.a_push_arrives()
        for i in range(DEVICES):
            self.a_device_begins_to_join(i)
            self.a_joining_device_reads(i, stale=False)
        self.tops_are_read(stale=False)
        self.tops_arrive()
        if self.repair is not None:
            self.a_repair_arrives()
        if self.merge.wants is not None:
            self.a_repair_reads(stale=False)
            self.a_repair_arrives()
        self.a_tick_begins()
        self.a_tick_is_replicated()
        while self.confirmations:
            self.a_confirmation_arrives()

    def teardown(self) -> None:
        if hasattr(self, "devices"):
            self.everything_settles()


class PodThatShowsAtOnce(Pod):
    """`acks = master`: a failover may lose what was shown, and then devices are told so."""

    immediate = True


quick = settings(
    max_examples=120, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestPod = Pod.TestCase
TestPod.settings = quick
TestPodThatShowsAtOnce = PodThatShowsAtOnce.TestCase
TestPodThatShowsAtOnce.settings = quick
