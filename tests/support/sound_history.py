"""Sound histories of a campaign, for the tests of its checker: written by a little model of the house.

What is written here must never be found at fault; the tests then break it on purpose.
"""

from collections.abc import Sequence

from tests.chaos.history import History
from tests.chaos.records import Fault, FaultOver, Ran, Stored, Truth
from tests.support.sound_house import AGENT, Clock, Device, Room


class House:
    """Several conversations and devices, and the faults done to them."""

    def __init__(self, agents: Sequence[str] = (AGENT,)) -> None:
        self.clock = Clock()
        self.runs: list[Ran | Stored] = []
        self.rooms = [Room("c1", self.clock, self.runs, agents), Room("c2", self.clock, self.runs)]
        self.devices = [
            Device("ana-phone", "ana", self.rooms),
            Device("ana-laptop", "ana", self.rooms[:1]),
            Device("ben-phone", "ben", self.rooms),
        ]
        self.faults: list[Fault | FaultOver] = []

    def fault(self, name: str, target: str = "", pause_ms: float = 100.0) -> None:
        """Note a fault, mended at once."""
        number = len(self.faults) // 2 + 1
        self.faults.append(Fault(self.clock.tick(), name, number, target))
        self.faults.append(FaultOver(self.clock.tick(), number, target, pause_ms))

    def drain(self) -> None:
        """Answer all that waits."""
        for room in self.rooms:
            while turn := room.begin():
                room.answer(turn, "all ", "is well")

    def history(self) -> History:
        """All that is left behind once everybody settled."""
        for device in self.devices:
            device.settle()
        return History(
            Truth({room.name: room.truth() for room in self.rooms}),
            {device.name: tuple(device.lines) for device in self.devices},
            {"worker-1": tuple(self.runs)},
            tuple(self.faults),
        )


def story() -> History:
    """One run with everything in it that a checker could take for a fault."""
    house = House()
    for part in (_an_answer_told_anew, _a_failover, _ends_of_other_kinds, _a_position_that_is_gone):
        part(house, *house.devices)
    return house.history()


def _an_answer_told_anew(house: House, phone: Device, laptop: Device, ben: Device) -> None:
    room = house.rooms[0]
    phone.live()
    phone.say(room, "q1", "hello 😀")
    first = room.begin()
    assert first
    room.run(first, dies_in="answer")
    room.enter(first)
    room.speak(first, "It is ", "a 😀", " day")
    ben.live()  # while the answer is spoken
    room.speak(first, " out")
    house.fault("worker.kill", "worker-1")
    first = room.begin()  # what the dead attempt said is taken back
    assert first
    phone.cut()
    room.answer(first, "Good ", "morning 😀")
    phone.come()


def _a_failover(house: House, phone: Device, laptop: Device, ben: Device) -> None:
    room = house.rooms[0]
    phone.say(room, "q2", "twice", tries=2)
    phone.say(room, "never", "unheard", arrives=False)
    house.fault("redis.master.kill", "redis-1", 2100.0)
    room.fail_over()
    turn = room.begin()
    assert turn
    room.speak(turn, "It ", "goes")
    ben.cut()
    room.speak(turn, " on")
    ben.come()
    room.speak(turn, " here")
    room.complete(turn)
    room.finish(turn, "completed")
    laptop.live()  # late, from a page that does not hold everything
    phone.typing(room)


def _ends_of_other_kinds(house: House, phone: Device, laptop: Device, ben: Device) -> None:
    room = house.rooms[0]
    ben.say(room, "q3", "cancel me")
    ben.cancel(room)
    ben.say(room, "q4", "poison")
    poisoned = room.begin()
    assert poisoned
    room.enter(poisoned)
    room.speak(poisoned, "I")
    room.finish(poisoned, "failed")
    laptop.live()


def _a_position_that_is_gone(house: House, phone: Device, laptop: Device, ben: Device) -> None:
    room, other = house.rooms
    ben.say(other, "q5", "elsewhere")
    phone.cut()
    for number in range(6, 12):
        ben.say(other, f"q{number}", f"number {number}")
    house.drain()
    other.trim(keep=4)
    phone.come()  # where it stood in the other conversation, nothing is left
    room.fail_over()
    ben.say(room, "q12", "the last")
    house.drain()
