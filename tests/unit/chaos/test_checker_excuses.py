"""What looks like a broken promise and is none: the checker says nothing of it."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.history import History
from tests.chaos.records import Acked, Connecting, Disconnected, Fault, FaultOver, Ran
from tests.chaos.violations import Kind
from tests.support.planted import changed, device, found, process, truth
from tests.support.sound_history import House, story
from tests.support.sound_house import AGENT, Turn

SOUND = story()


def test_a_task_that_was_not_stored_may_run_again():
    [*lines] = SOUND.runs["worker-1"]
    [died] = [line for line in lines if isinstance(line, Ran) and line.task == "t1.c1-answer"][:1]
    assert (
        found(process(SOUND, "worker-2", lambda notes: notes.append(changed(died, t=died.t + 0.001)))) == []
    )


def test_a_message_nobody_acknowledged_may_be_kept_or_not():
    house = House()
    phone = house.devices[0]
    phone.live()
    phone.say(house.rooms[0], "unheard", "is it there?", arrives=False)
    phone.say(house.rooms[0], "heard", "it is")
    house.drain()
    phone.lines = [line for line in phone.lines if not isinstance(line, Acked)]
    for other in house.devices[1:]:
        other.live()
    assert found(house.history()) == []


def test_a_dead_letter_that_is_played_again_is_answered_further_down():
    """Its question keeps its place in the thread; the answer comes behind what was said meanwhile."""
    house = House()
    room, phone = house.rooms[0], house.devices[0]
    for each in house.devices:
        each.live()
    phone.say(room, "q1", "poison")
    phone.say(room, "q2", "fine")
    poisoned = room.begin()
    assert poisoned
    room.complete(poisoned, "as far as it came")
    room.finish(poisoned, "failed")
    house.drain()
    room.turns["t-again"] = Turn("t-again", "q1")
    house.drain()
    assert [one.type for one in room.thread[AGENT]] == ["human", "ai", "human", "ai", "ai"]
    assert found(house.history()) == []


def test_each_agent_of_a_conversation_answers_in_a_thread_of_its_own():
    house = House(agents=("assistant", "critic"))
    for each in house.devices:
        each.live()
    house.devices[0].say(house.rooms[0], "q1", "what do you think?")
    house.drain()
    sound = house.history()
    assert found(sound) == []
    alone = truth(sound, lambda told: {"threads": {**told.threads, "critic": []}})
    assert {one.who for one in found(alone)} == {"the thread of critic"}


# -- connections: only where a run's faults are Redis's alone


def calm(*faults: Fault | FaultOver) -> History:
    house = House()
    for each in house.devices:
        each.live()
    house.devices[0].say(house.rooms[0], "q1", "hello")
    house.drain()
    return replace(house.history(), faults=faults)


def with_line(history: History, line: Any) -> History:
    return device(history, "ben-phone", lambda lines: lines.insert(3, line))


T = 1_700_000_000.05
FAILOVER = (Fault(T - 1, "redis.master.kill", 1), FaultOver(T + 1, 1, pause_ms=2000.0))


@pytest.mark.parametrize(
    ("line", "faults"),
    [(Connecting(T, 1), ()), (Disconnected(T, 3501), FAILOVER), (Connecting(T, 3001), FAILOVER)],
)
def test_a_connection_lost_without_a_fault_of_its_own_is_caught_where_it_is_asked_for(line: Any, faults: Any):
    broken = with_line(calm(*faults), line)
    [one] = found(broken, nobody_disconnected=True)
    assert (one.kind, one.who) == (Kind.DISCONNECTED, "ben-phone")
    assert found(broken) == []


@pytest.mark.parametrize("line", [Connecting(T, 0), Disconnected(T, 0)])
def test_a_device_that_comes_and_goes_by_itself_was_not_disconnected(line: Any):
    assert found(with_line(calm(), line), nobody_disconnected=True) == []


def test_a_connection_lost_while_its_server_was_broken_is_excused():
    faults = (Fault(T - 1, "connection.kill", 1, "connection-1"), FaultOver(T - 0.5, 1))
    assert found(with_line(calm(*faults), Connecting(T, 1)), nobody_disconnected=True) == []
