"""Any order of messages, cancels, changes of the way, begins, answers and ends, beside a model of one
conversation.

On a real Redis: the scripts themselves are what is tried. After every step the queue, each turn's record and
the history are what the model says, and every turn that is over ended as it says.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.local.embedded import EmbeddedRedis
from services.shared.bus import scripts
from services.shared.model.errors import Busy, RollBackFirst
from services.shared.model.ids import ConversationId, MessageId, TurnId
from services.shared.model.turn import Lease, Turn
from tests.support.bus_house import ANN, House, fresh, open_house

AGENTS = ("one", "two")
"""The first answers always, the second where it is mentioned."""
MOVES = {"interrupt": "superseded", "rollback": "rolled back"}
STRENGTH = {"": 0, "cancel": 1, "interrupt": 2, "rollback": 3}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, House]]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def start() -> House:
            servers = await stack.enter_async_context(EmbeddedRedis(tmp_path_factory.mktemp("redis")))
            return await stack.enter_async_context(open_house(servers.sentinels))

        try:
            yield runner, runner.run(start())
        finally:
            runner.run(stack.aclose())


@dataclass
class Record:
    """A turn as the model has it."""

    agent: str
    messages: list[str]
    state: str = "queued"
    stop: str = ""
    end: tuple[str, str] = ("", "")
    said: list[str] = field(default_factory=list)


@dataclass
class Model:
    """One conversation, by the words of docs/turns.md alone."""

    way: str = "enqueue"
    people: list[str] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    heard: dict[str, int] = field(default_factory=lambda: dict.fromkeys(AGENTS, 0))
    queue: list[str] = field(default_factory=list)
    turns: dict[str, Record] = field(default_factory=dict)

    def in_the_way(self, agent: str) -> list[str]:
        return [turn for turn in self.queue if self.turns[turn].agent == agent]

    def busy(self, asked: list[str]) -> bool:
        return self.way == "reject" and any(self.in_the_way(agent) for agent in asked)

    def accept(self, message: str, turns: dict[str, str]) -> None:
        """A message that was taken; the turn of each agent that it asks."""
        self.people.append(message)
        self.history.append(message)
        for agent, turn in turns.items():
            carried = self._make_way(agent)
            since = self.people[self.heard[agent] : -1]
            self.heard[agent] = len(self.people)
            self.turns[turn] = Record(agent, [*carried, *since, message][-50:])
        self.queue += turns.values()

    def _make_way(self, agent: str) -> list[str]:
        carried: list[str] = []
        if self.way not in MOVES:
            return carried
        for turn in self.in_the_way(agent):
            record = self.turns[turn]
            if record.state == "queued":
                carried += record.messages if self.way == "interrupt" else []
                self._over(turn, "cancelled", MOVES[self.way])
            else:
                self._stop(record, self.way)
        return carried

    def cancel(self, turn: str) -> None:
        record = self.turns[turn]
        if record.state == "queued":
            self._over(turn, "cancelled", "")
        elif record.state != "finished":
            self._stop(record, "cancel")

    def _stop(self, record: Record, how: str) -> None:
        record.state, record.stop = "cancelling", max(record.stop, how, key=STRENGTH.__getitem__)

    def begin(self) -> str:
        """The turn at the head, or ""."""
        if self.queue and self.turns[self.queue[0]].state == "queued":
            self.turns[self.queue[0]].state = "running"
        return self.queue[0] if self.queue else ""

    def say(self, turn: str, text: str) -> None:
        if self.turns[turn].stop != "rollback":
            self.turns[turn].said.append(text)
            self.history.append(text)

    def finish(self, turn: str, outcome: str, *, unheard: bool) -> None:
        record = self.turns[turn]
        if record.stop == "rollback":
            self.history = [text for text in self.history if text not in record.said]
            return self._over(turn, "cancelled", "rolled back")
        interrupted = outcome == "cancelled" and record.stop == "interrupt"
        self._over(turn, outcome, "interrupted" if interrupted else "")
        following = [each for each in self.in_the_way(record.agent) if self.turns[each].state == "queued"]
        if interrupted and unheard and following:
            self.turns[following[0]].messages[:0] = record.messages
        return None

    def _over(self, turn: str, outcome: str, reason: str) -> None:
        self.turns[turn].state, self.turns[turn].end = "finished", (outcome, reason)
        self.queue.remove(turn)


@dataclass
class World:
    """The conversation and its model, and one worker."""

    house: House
    conversation: ConversationId
    lease: Lease | None = None
    turn: Turn | None = None
    model: Model = field(default_factory=Model)
    numbers: int = 0

    async def take(self, step: str, choice: int) -> None:
        """Take a step with the model, and compare."""
        action: Callable[[int], Any] = getattr(self, step)
        await action(choice)
        await self.compare()

    def able(self) -> list[str]:
        """What can be done now; what leads on stands there more often."""
        able = ["accept"] * 3 + (["configure"] if self.numbers % 4 == 3 else [])
        if self.model.queue:
            able += ["cancel"] if self.numbers % 3 == 2 else []
            able += ["begin"] * 2 if self.turn is None else ["say", "finish"]
        return able

    def _number(self) -> str:
        self.numbers += 1
        return str(self.numbers)

    async def accept(self, choice: int) -> None:
        named = [[], ["one"], ["two"], ["two", "one"]][choice % 4]
        asked = [agent for agent in AGENTS if agent in named] or ["one"]
        text = self._number()
        said = self.house.messages.accept(self.conversation, ANN, MessageId(fresh()), text, mentions=named)
        if self.model.busy(asked):
            with pytest.raises(Busy):
                await said
            return
        accepted = await said
        self.model.accept(text, dict(zip(asked, accepted.turns, strict=True)))

    async def configure(self, choice: int) -> None:
        ways: Any = ("enqueue", "reject", "interrupt", "rollback")
        self.model.way = ways[choice % 4]
        await self.house.conversations.configure(self.conversation, ANN, double_texting=ways[choice % 4])

    async def cancel(self, choice: int) -> None:
        waiting = list(self.model.queue)
        turn = waiting[choice % len(waiting)]
        for each in waiting if choice % 5 == 0 else [turn]:
            self.model.cancel(each)
        await self.house.turns.cancel(self.conversation, ANN, None if choice % 5 == 0 else TurnId(turn))

    async def begin(self, _: int) -> None:
        self.lease = self.lease or await self.house.claim(self.conversation)
        self.turn = await self.house.turns.begin(self.lease)
        assert (self.turn.id if self.turn else "") == self.model.begin()

    async def say(self, _: int) -> None:
        assert self.turn is not None
        assert self.lease is not None
        text, message = f"answer {self._number()}", MessageId(fresh())
        await self.house.turns.complete_message(self.lease, self.turn, message, text, source=text)
        self.model.say(self.turn.id, text)

    async def finish(self, choice: int) -> None:
        assert self.turn is not None
        assert self.lease is not None
        turn, outcome, unheard = self.turn, ("completed", "cancelled")[choice % 2], choice % 3 == 0
        tell: Any = self.house.turns.finish
        if self.model.turns[turn.id].stop == "rollback":
            with pytest.raises(RollBackFirst):
                await tell(self.lease, turn, outcome, unheard=unheard)
            await tell(self.lease, turn, "cancelled", back="1")
        for _ in range(1 + choice % 2):  # a reply that was lost
            await tell(self.lease, turn, outcome, unheard=unheard)
        self.model.finish(turn.id, outcome, unheard=unheard)
        self.turn = None

    async def compare(self) -> None:
        keys, commands = self.house.floor.keys.conversation(self.conversation), self.house.floor.commands
        queue: list[Any] = await commands.lrange(keys.fifo, 0, -1)
        assert [turn.decode() for turn in queue] == self.model.queue
        page = await self.house.messages.history(self.conversation, ANN, limit=200)
        texts = {message.id: message.text for message in page.messages}
        assert list(texts.values()) == self.model.history
        for turn, wanted in self.model.turns.items():
            found: list[Any] = await commands.hmget(
                keys.turn(turn), "state", "stop", "messages", "outcome", "reason"
            )
            state, stop, messages, outcome, reason = [(each or b"").decode() for each in found]
            assert (state, stop, (outcome, reason)) == (wanted.state, wanted.stop, wanted.end)
            assert [texts[MessageId(one)] for one in messages.split(",")] == wanted.messages


STEPS = st.lists(st.integers(0, 2**20), min_size=12, max_size=40)
"""Each chooses among what can be done then."""


async def live(bus: House, way: int, choices: list[int]) -> None:
    """One conversation, from its beginning."""
    conversation = ConversationId(fresh())
    await bus.conversations.create(conversation, ANN, agents=AGENTS, answers={"two": "mention"})
    world = World(bus, conversation)
    await world.take("configure", way)
    for choice in choices:
        able = world.able()
        await world.take(able[choice % len(able)], choice // len(able))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 3), STEPS)
def test_the_scripts_do_what_the_page_says(
    house: tuple[asyncio.Runner, House], way: int, choices: list[int]
) -> None:
    runner, bus = house
    runner.run(live(bus, way, choices))


MUTANTS = {
    "a plain cancel holds": ("stop", "interrupt = 2", "interrupt = 0"),
    "messages are not passed on": ("finish", "if not turn then return end", "if true then return end"),
    "superseded messages are dropped": ("answering", "if way == 'interrupt' and not record[2]", "if false"),
    "what was heard is forgotten": ("answering", "'heard:' .. agent, integer(seq)", "'heard', integer(seq)"),
    "a mention asks all": ("answering", "return #mentioned > 0 and mentioned or always", "return always"),
    "a running turn does not reject": ("answering", "asking.live = asking.live or turn", ""),
    "what was rolled back stays": ("finish", "if taken == 'rolled back' then", "if false then"),
    "it goes on speaking": ("complete", "KEYS[5], 'stop') == 'rollback'", "KEYS[5], 'stop') == 'never'"),
}
"""Lua file, a text of it, and what stands in its place."""
WRONG = (AssertionError, ValueError, Busy, BaseExceptionGroup, pytest.fail.Exception)
"""How the comparison says so."""


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_scripts_that_do_otherwise_are_found(
    house: tuple[asyncio.Runner, House], mutant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, bus = house
    file, text, instead = MUTANTS[mutant]
    honest = scripts._source
    assert honest(file).count(text) == 1

    @settings(
        max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(st.integers(0, 3), STEPS)
    def same(way: int, choices: list[int]) -> None:
        runner.run(live(bus, way, choices))

    def edited(name: str) -> str:
        return honest(name).replace(text, instead) if name == file else honest(name)

    monkeypatch.setattr(scripts, "_source", edited)
    scripts.script.cache_clear()
    try:
        with pytest.raises(WRONG):
            same()
    finally:
        monkeypatch.undo()
        scripts.script.cache_clear()
