"""Questions, answers, messages, cancels and ends of turns in any order, against a model of what must be
asked: what Redis holds, what the journal's events add up to, and whose turn is next.
"""

import random
from dataclasses import dataclass, field

import pytest

from services.shared.bus.house import Bus
from services.shared.model.asking import Ask
from services.shared.model.errors import AlreadyAnswered, NotAsked
from services.shared.model.ids import ConversationId
from services.shared.model.turn import Lease, Turn
from tests.support.bus_house import ANN, House, fresh, house_of

STEPS = 40


@dataclass
class Model:
    """One conversation with one agent. queue: (turn, interrupt that it resumes, "" for none), the running one
    first. thread: what the agent's thread waits for.
    """

    queue: list[tuple[str, str]] = field(default_factory=list)
    running: bool = False
    thread: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)

    @property
    def on_their_way(self) -> set[str]:
        return {interrupt for _, interrupt in self.queue if interrupt}

    def answer(self, turn: str, interrupt: str) -> None:
        self.asked.discard(interrupt)
        waiting = range(1 if self.running else 0, len(self.queue))
        place = next((index for index in waiting if not self.queue[index][1]), len(self.queue))
        self.queue.insert(place, (turn, interrupt))

    def ended(self, waits: set[str]) -> None:
        """The running turn is over, and the thread waits for this."""
        self.queue.pop(0)
        self.running = False
        self.thread = waits
        self.asked = waits - self.on_their_way


class Talk:
    """The same on a real Redis."""

    def __init__(
        self, bus: Bus, house: House, talk: ConversationId, lease: Lease, chance: random.Random
    ) -> None:
        self.bus = bus
        self.house = house
        self.talk = talk
        self.lease = lease
        self.chance = chance
        self.model = Model()
        self.ever: list[str] = []
        self.turn: Turn | None = None

    async def say(self) -> None:
        accepted = await self.house.ask(self.talk)
        self.model.queue.append((accepted.turns[0], ""))

    async def answer(self) -> None:
        if not self.ever:
            return
        interrupt, name = self.chance.choice(self.ever[-6:]), fresh()
        try:
            await self.bus.answers.answer(self.talk, ANN, name, interrupt, b"1")
        except (AlreadyAnswered, NotAsked):
            assert interrupt not in self.model.asked
        else:
            assert interrupt in self.model.asked
            self.model.answer(name, interrupt)

    async def begin(self) -> None:
        if self.model.running:
            return
        self.turn = await self.house.turns.begin(self.lease)
        if self.turn is None:
            assert not self.model.queue
            return
        assert (self.turn.id, self.turn.resumes) == self.model.queue[0]
        self.model.running = True
        if not self.turn.resumes:
            self.model.thread, self.model.asked = set(), set()

    async def end(self) -> None:
        if self.turn is None or not self.model.running:
            return
        outcome = self.chance.choice(("completed", "interrupted", "interrupted", "failed", "unknown"))
        left = self.model.thread - {self.turn.resumes}
        if self.turn.state == "cancelling" or self.cancelled:
            outcome, left = "cancelled", set()
        elif outcome == "completed":
            left = set()
        elif outcome == "interrupted":
            left |= set(self._new(self.chance.randint(0 if left else 1, 2)))
        elif self.turn.resumes:
            left = self.model.thread
        unknown = outcome == "unknown"
        asks = None if unknown else [Ask(each, b'{"of":[]}') for each in sorted(left)]
        word = "failed" if unknown else outcome
        await self.house.turns.finish(self.lease, self.turn, word, asks=asks)  # type: ignore[arg-type]
        again = self.turn.resumes if unknown else ""
        before = self.model.asked
        self.model.ended(left)
        if unknown:  # what is asked stays as it is, but for the answer of this turn
            self.model.asked = before | ({again} if again else set())
        self.turn, self.cancelled = None, False

    async def cancel(self) -> None:
        await self.house.turns.cancel(self.talk, ANN, None)
        self.cancelled = self.model.running
        self.model.queue = self.model.queue[: 1 if self.model.running else 0]
        self.model.asked = set()

    cancelled = False

    def _new(self, count: int) -> list[str]:
        made = [f"{len(self.ever) + each:032x}" for each in range(count)]
        self.ever += made
        return made

    async def hold(self) -> None:
        """Redis, the journal and the model agree."""
        asked = {each.interrupt for each in (await self.bus.messages.history(self.talk, ANN)).asked}
        assert asked == self.model.asked
        told: set[str] = set()
        for event in await self.house.events(self.talk):
            if event["type"] == "input.requested":
                assert event["interrupt"] not in told, "asked twice"
                told.add(event["interrupt"])
            elif event["type"] == "input.answered":
                told.remove(event["interrupt"])
        assert told == asked


@pytest.mark.parametrize("seed", range(25))
async def test_what_is_asked_is_always_what_it_should_be(bus: Bus, seed: int) -> None:
    house, chance = house_of(bus), random.Random(seed)
    conversation = await house.conversation()
    await house.ask(conversation)
    talk = Talk(bus, house, conversation, await house.claim(conversation), chance)
    first = await house.begin(talk.lease)
    talk.turn, talk.model = first, Model([(first.id, "")], running=True)
    for _ in range(STEPS):
        step = chance.choices((talk.say, talk.answer, talk.begin, talk.end, talk.cancel), (3, 6, 6, 6, 1))[0]
        await step()
        await talk.hold()
    tally = await bus.inventory.take()
    mine = [fault for fault in tally.faults if conversation in fault.key]
    assert mine == []
