"""The checker on random runs: a sound one is never found at fault, and one broken in one place always is."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.chaos.history import History
from tests.chaos.records import Acked, Entry, Life, Loaded, Pub, Ran, Stored, Subscribed
from tests.chaos.violations import Kind
from tests.support.planted import changed, device, found, kinds, process, truth
from tests.support.sound_history import House
from tests.support.sound_house import Turn

PIECES = ("one ", "two", " 😀😀", "é", " and so on")
RANDOM = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


class Driver:
    """Does random things to a house; what is not possible now is left out."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.house = House(draw(st.sampled_from([("assistant",), ("assistant", "critic")])))
        self._draw = draw
        self._said = 0
        for each in self.house.devices[:1]:
            each.live()

    def step(self) -> None:
        name = self._draw(st.sampled_from(sorted(self.STEPS)))
        room = self.house.rooms[self._draw(st.integers(0, 1))]
        phone = self.house.devices[self._draw(st.integers(0, 2))]
        if room in phone.rooms:
            self.STEPS[name](self, room, phone)

    def say(self, room: Any, phone: Any) -> None:
        if not phone.here:
            return
        self._said += 1
        arrives = self._draw(st.booleans()) or self._draw(st.booleans())
        tries = self._draw(st.integers(1, 2))
        phone.say(room, f"q{self._said}", f"words of {self._said}", tries=tries, arrives=arrives)

    def work(self, room: Any, phone: Any) -> None:
        """Go on with the turn that runs, or begin the next; another worker may begin a running one anew."""
        running = [turn for turn in room.turns.values() if turn.state == "running"]
        if not running or self._draw(st.integers(0, 5)) == 0:
            running = [room.begin()]
        if running[0] is not None:
            self._go_on(room, running[0])

    def _go_on(self, room: Any, turn: Turn) -> None:
        match self._draw(st.sampled_from(["run", "enter", "speak", "speak", "speak", "complete", "finish"])):
            case "run":
                room.run(turn, dies_in=self._draw(st.sampled_from(["", "weigh", "answer"])))
            case "enter":
                room.enter(turn)
            case "speak" if not turn.answered:
                room.speak(turn, self._draw(st.sampled_from(PIECES)))
            case "complete" if not turn.answered:
                room.complete(turn, self._draw(st.sampled_from(["", " at last"])))
            case "finish" if turn.answered or self._draw(st.booleans()):
                room.finish(
                    turn,
                    "completed" if turn.answered else self._draw(st.sampled_from(["failed", "cancelled"])),
                )

    def cut(self, room: Any, phone: Any) -> None:
        phone.cut()

    def come(self, room: Any, phone: Any) -> None:
        if phone.lines:
            phone.come()

    def live(self, room: Any, phone: Any) -> None:
        phone.live()

    def cancel(self, room: Any, phone: Any) -> None:
        if phone.here:
            phone.cancel(room)

    def typing(self, room: Any, phone: Any) -> None:
        if phone.here:
            phone.typing(room)

    def fail_over(self, room: Any, phone: Any) -> None:
        room.fail_over()
        self.house.fault("redis.master.kill")

    def trim(self, room: Any, phone: Any) -> None:
        if self._draw(st.integers(0, 3)) == 0:
            room.trim(keep=6)

    STEPS: dict[str, Any] = {  # noqa: RUF012 - read only
        "say": say,
        "say again": say,
        "work": work,
        "work on": work,
        "work more": work,
        "cut": cut,
        "come": come,
        "live": live,
        "cancel": cancel,
        "typing": typing,
        "fail over": fail_over,
        "trim": trim,
    }


@st.composite
def runs(draw: Callable[[Any], Any]) -> History:
    """A sound run: random steps, then all that waits is answered and everybody settles."""
    driver = Driver(draw)
    for _ in range(draw(st.integers(5, 60))):
        driver.step()
    for each in driver.house.devices:
        if not each.lines:
            each.live()
    for room in driver.house.rooms:
        for turn in [turn for turn in room.waiting() if turn.answered]:
            room.finish(turn, "completed")
    driver.house.drain()
    return driver.house.history()


@RANDOM
@given(runs())
def test_a_sound_run_has_no_violations(history: History):
    assert found(history) == []


def pubs(history: History, lasting: bool) -> list[tuple[str, int, Pub]]:
    """Of every device's last life, behind its last reset: what it was handed, deltas aside if `lasting`."""
    return [
        (name, place, line)
        for name, lines in history.devices.items()
        for place, line in enumerate(lines)
        if isinstance(line, Pub) and line.offset and not (lasting and line.event["type"] == "message.delta")
    ]


def picked(data: st.DataObject, choices: list[Any]) -> Any:
    assume(choices)
    return choices[data.draw(st.integers(0, len(choices) - 1))]


def visible(history: History, line: Pub) -> bool:
    """Whether the journal still tells of this place."""
    return line.offset > history.truth.conversations[line.conversation].head.low


@RANDOM
@given(runs(), st.data())
def test_an_event_handed_twice_is_caught(history: History, data: st.DataObject):
    name, place, line = picked(data, pubs(history, lasting=False))
    broken = device(history, name, lambda lines: lines.insert(place + 1, line))
    assert Kind.REPEATED in kinds(found(broken))


@RANDOM
@given(runs(), st.data())
def test_an_event_that_was_not_handed_out_is_caught(history: History, data: st.DataObject):
    """Of the last life, which settled: of earlier ones the very end may be unknown, they were killed."""
    last = {
        name: max(i for i, x in enumerate(lines) if isinstance(x, Life | Loaded))
        for name, lines in history.devices.items()
    }
    choices = [
        one for one in pubs(history, lasting=True) if one[1] > last[one[0]] and visible(history, one[2])
    ]
    name, place, _ = picked(data, choices)
    broken = device(history, name, lambda lines: lines.pop(place))
    assert Kind.LOST in kinds(found(broken))


@RANDOM
@given(runs(), st.data())
def test_an_event_of_another_history_is_caught(history: History, data: st.DataObject):
    choices = [one for one in pubs(history, lasting=True) if visible(history, one[2])]
    name, place, line = picked(data, choices)
    field = data.draw(
        st.sampled_from([name for name in ("user", "text", "attempt", "turn") if name in line.event])
    )
    other = changed(line, event={field: "another"})
    broken = device(history, name, lambda lines: lines.__setitem__(place, other))
    assert Kind.FOREIGN in kinds(found(broken))


@RANDOM
@given(runs(), st.data())
def test_two_events_handed_out_the_wrong_way_round_are_caught(history: History, data: st.DataObject):
    every = pubs(history, lasting=False)
    pairs = [
        (one, other)
        for one, other in pairwise(every)
        if one[0] == other[0] and one[1] + 1 == other[1] and one[2].conversation == other[2].conversation
    ]
    (name, place, first), (_, _, second) = picked(data, pairs)

    def swap(lines: list[Any]) -> None:
        lines[place], lines[place + 1] = second, first

    assert Kind.REORDERED in kinds(found(device(history, name, swap)))


@RANDOM
@given(runs(), st.data())
def test_a_recovery_refused_without_cause_is_caught(history: History, data: st.DataObject):
    choices = [
        (name, place, line)
        for name, lines in history.devices.items()
        for place, line in enumerate(lines)
        if isinstance(line, Subscribed)
        and line.offset >= history.truth.conversations[line.conversation].head.low
    ]
    name, place, line = picked(data, choices)
    broken = device(history, name, lambda lines: lines.__setitem__(place, changed(line, recovered=False)))
    assert Kind.RECOVERED_FALSE in kinds(found(broken))


@RANDOM
@given(runs(), st.data())
def test_an_acknowledgement_of_another_place_is_caught(history: History, data: st.DataObject):
    acks = [
        (name, place, line)
        for name, lines in history.devices.items()
        for place, line in enumerate(lines)
        if isinstance(line, Acked) and line.offset > history.truth.conversations[line.conversation].head.low
    ]
    name, place, line = picked(data, acks)
    other = changed(line, offset=line.offset + data.draw(st.sampled_from([-1, 1, 100])))
    broken = device(history, name, lambda lines: lines.__setitem__(place, other))
    assert Kind.WRONG_ACKNOWLEDGEMENT in kinds(found(broken))


@RANDOM
@given(runs(), st.data())
def test_a_stored_task_that_ran_again_is_caught(history: History, data: st.DataObject):
    [*lines] = history.runs["worker-1"]
    stored = picked(data, [line for line in lines if isinstance(line, Stored)])
    ran = next(line for line in lines if isinstance(line, Ran) and line.task == stored.task)
    worker = data.draw(st.sampled_from(["worker-1", "worker-2"]))
    broken = process(history, worker, lambda notes: notes.append(changed(ran, t=stored.t + 0.001)))
    assert kinds(found(broken)) == {Kind.RAN_TWICE}


@RANDOM
@given(runs(), st.data())
def test_an_answer_the_thread_does_not_have_and_one_nobody_was_told_are_caught(
    history: History, data: st.DataObject
):
    told = history.truth.conversations["c1"]
    agent = picked(
        data, [agent for agent, thread in told.threads.items() if any(one.type == "ai" for one in thread)]
    )
    thread = told.threads[agent]
    place = picked(data, [place for place, one in enumerate(thread) if one.type == "ai"])
    without = thread[:place] + thread[place + 1 :]
    twice = thread[: place + 1] + thread[place:]
    assert Kind.TWO_FINALS in kinds(
        found(truth(history, lambda _: {"threads": {**told.threads, agent: without}}))
    )
    assert Kind.THREAD in kinds(found(truth(history, lambda _: {"threads": {**told.threads, agent: twice}})))


@RANDOM
@given(runs(), st.data())
def test_an_end_that_is_missing_in_the_journal_is_caught(history: History, data: st.DataObject):
    told = history.truth.conversations["c1"]
    assume(told.head.low == 0)
    ends = ("message.completed", "message.retracted", "turn.finished")
    place = picked(data, [i for i, one in enumerate(told.journal) if one.event["type"] in ends])
    journal: list[Entry] = told.journal[:place] + told.journal[place + 1 :]
    assert Kind.LEFT_STREAMING in kinds(found(truth(history, lambda _: {"journal": journal})))
