"""Any order of messages, cancels, changes of the way, begins, answers, ends and ways back, beside a model of
one conversation.

On a real Redis: the scripts themselves are what is tried. After every step the queue, each turn's record, the
history and the turns that one can go back to are what the model says, and every turn that is over ended as it
says.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.shared.bus import scripts
from services.shared.bus.rewinds import Rewinds
from services.shared.model.errors import Busy, RollBackFirst, TooFarBack
from services.shared.model.ids import AgentName, ConversationId, MessageId, TurnId
from services.shared.model.turn import Lease, Turn
from tests.support.bus_house import ANN, House, fresh
from tests.support.driven_house import driven_house

AGENTS = ("one", "two")
"""The first answers always, the second where it is mentioned."""
MOVES = {"interrupt": "superseded", "rollback": "rolled back"}
BACK = 3
"""Turns of one agent that one can go back to before."""
STRENGTH = {"": 0, "cancel": 1, "interrupt": 2, "rollback": 3}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, House]]:
    yield from driven_house(tmp_path_factory.mktemp("redis"))


@dataclass
class Record:
    """A turn as the model has it. messages: their numbers. rewinds: it only brings the thread back."""

    agent: str
    messages: list[int]
    state: str = "queued"
    stop: str = ""
    end: tuple[str, str] = ("", "")
    said: list[str] = field(default_factory=list)
    rewinds: tuple[str, ...] = ()


@dataclass
class Model:
    """One conversation, by the words of docs/turns.md alone. What people say has numbers; history: these, and
    the texts of agents. begun: turns that began, the oldest first, as far as one can go back; floor: the last
    number from which there is no way back.
    """

    way: str = "enqueue"
    people: dict[int, str] = field(default_factory=dict)
    asked: dict[int, list[str]] = field(default_factory=dict)
    history: list[int | str] = field(default_factory=list)
    heard: dict[str, int] = field(default_factory=lambda: dict.fromkeys(AGENTS, 0))
    queue: list[str] = field(default_factory=list)
    turns: dict[str, Record] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    floor: int = 0

    def in_the_way(self, agent: str) -> list[str]:
        of = [(turn, self.turns[turn]) for turn in self.queue]
        return [turn for turn, record in of if record.agent == agent and not record.rewinds]

    def busy(self, asked: list[str]) -> bool:
        return self.way == "reject" and any(self.in_the_way(agent) for agent in asked)

    def accept(self, number: int, turns: dict[str, str]) -> None:
        """A message that was taken; the turn of each agent that it asks."""
        self.people[number] = str(number)
        self.history.append(number)
        self._ask(number, turns, {agent: self._make_way(agent) for agent in turns})

    def _ask(self, number: int, turns: dict[str, str], carried: dict[str, list[int]]) -> None:
        self.asked[number] = list(turns)
        for agent, turn in turns.items():
            since = [each for each in self.people if self.heard[agent] < each < number]
            self.heard[agent] = number
            self.turns[turn] = Record(agent, [*carried.get(agent, []), *since, number][-50:])
        self.queue += turns.values()

    def _make_way(self, agent: str) -> list[int]:
        carried: list[int] = []
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
        if record.rewinds:
            return
        if record.state == "queued":
            self._over(turn, "cancelled", "")
        elif record.state != "finished":
            self._stop(record, "cancel")

    def _stop(self, record: Record, how: str) -> None:
        record.state, record.stop = "cancelling", max(record.stop, how, key=STRENGTH.__getitem__)

    def begin(self) -> str:
        """The turn at the head, or ""."""
        if not self.queue:
            return ""
        turn = self.queue[0]
        record = self.turns[turn]
        if record.state == "queued":
            record.state = "running"
            if not record.rewinds:
                self._note_begun(turn, record.agent)
        return turn

    def _note_begun(self, turn: str, agent: str) -> None:
        self.begun.append(turn)
        for old in [each for each in self.begun if self.turns[each].agent == agent][:-BACK]:
            self.begun.remove(old)
            self.floor = max(self.floor, *self.turns[old].messages)

    def say(self, turn: str, text: str) -> None:
        if self.turns[turn].stop != "rollback":
            self.turns[turn].said.append(text)
            self.history.append(text)

    def finish(self, turn: str, outcome: str, *, unheard: bool) -> None:
        record = self.turns[turn]
        if record.rewinds:
            return self._over(turn, "completed", "")
        if record.stop == "rollback":
            self.history = [text for text in self.history if text not in record.said]
            return self._over(turn, "cancelled", "rolled back")
        interrupted = outcome == "cancelled" and record.stop == "interrupt"
        self._over(turn, outcome, "interrupted" if interrupted else "")
        following = [each for each in self.in_the_way(record.agent) if self.turns[each].state == "queued"]
        if interrupted and unheard and following:
            self.turns[following[0]].messages[:0] = record.messages
        return None

    def ways_back(self, agent: str) -> list[tuple[str, int]]:
        """Turns one can go back to before, the newest first, and the last message of each."""
        there = [(turn, self.turns[turn]) for turn in reversed(self.begun)]
        within = [number for number in self.people if number > self.floor]
        return [
            (turn, max(record.messages))
            for turn, record in there
            if record.agent == agent and within and max(record.messages) >= within[0]
        ]

    def rewind(self, number: int, text: str, turns: dict[str, str], *, ask: bool) -> None:
        """Back to a message, which is asked again, as another text if there is one, or goes, too."""
        begun = [turn for turn in self.begun if max(self.turns[turn].messages) >= number]
        waiting = [turn for turn in self.queue if turn not in begun and not self.turns[turn].rewinds]
        waiting = [turn for turn in waiting if max(self.turns[turn].messages) >= number]
        going = [*begun, *waiting]
        self._take_out([each for each in self.people if each > number or (each == number and not ask)], going)
        for agent in AGENTS:
            low = [min(self.turns[turn].messages) for turn in going if self.turns[turn].agent == agent]
            self.heard[agent] = min(self.heard[agent], number - 1, *[first - 1 for first in low])
        for turn in going:
            self._goes(turn)
        self.begun = [turn for turn in self.begun if turn not in begun]
        self._bring_back(begun)
        if ask:
            self.people[number] = text or self.people[number]
            self._ask(number, turns, {})

    def _take_out(self, people: list[int], turns: list[str]) -> None:
        said = [text for turn in turns for text in self.turns[turn].said]
        self.history = [each for each in self.history if each not in people and each not in said]
        self.people = {each: text for each, text in self.people.items() if each not in people}

    def _goes(self, turn: str) -> None:
        record = self.turns[turn]
        if record.state == "queued":
            self._over(turn, "cancelled", "rewound")
        elif record.state == "finished":
            record.state = "forgotten"
        else:
            self._stop(record, "rollback")

    def _bring_back(self, begun: list[str]) -> None:
        for agent in dict.fromkeys(self.turns[turn].agent for turn in begun):
            rewinds = tuple(turn for turn in begun if self.turns[turn].agent == agent)
            name = name_of(agent, rewinds)
            self.turns[name] = Record(agent, [], rewinds=rewinds)
            runs = bool(self.queue) and self.turns[self.queue[0]].state != "queued"
            self.queue.insert(int(runs), name)

    def _over(self, turn: str, outcome: str, reason: str) -> None:
        self.turns[turn].state, self.turns[turn].end = "finished", (outcome, reason)
        self.queue.remove(turn)


def name_of(agent: str, rewinds: tuple[str, ...]) -> str:
    """What the model calls a turn that brings a thread back: nobody is told its id."""
    return f"back {agent} {','.join(rewinds)}"


@dataclass
class World:
    """The conversation and its model, and one worker."""

    house: House
    conversation: ConversationId
    lease: Lease | None = None
    turn: Turn | None = None
    model: Model = field(default_factory=Model)
    ids: dict[int, MessageId] = field(default_factory=dict)
    numbers: int = 0

    @property
    def rewinds(self) -> Rewinds:
        return Rewinds(self.house.floor)

    async def take(self, step: str, choice: int) -> None:
        """Take a step with the model, and compare."""
        action: Callable[[int], Any] = getattr(self, step)
        await action(choice)
        await self.compare()

    def able(self) -> list[str]:
        """What can be done now; what leads on stands there more often."""
        able = ["accept"] * 3 + (["configure"] if self.numbers % 4 == 3 else [])
        able += ["rewind"] if self.model.people and self.numbers % 3 == 1 else []
        if self.model.queue:
            able += ["cancel"] if self.numbers % 3 == 2 else []
            able += (
                ["begin"] * 2 if self.turn is None else ["finish"] if self.turn.rewinds else ["say", "finish"]
            )
        return able

    def _number(self) -> int:
        self.numbers += 1
        return self.numbers

    async def accept(self, choice: int) -> None:
        named, asked = asked_by(choice)
        number, message = self._number(), MessageId(fresh())
        said = self.house.messages.accept(self.conversation, ANN, message, str(number), mentions=named)
        if self.model.busy(asked):
            with pytest.raises(Busy):
                await said
            return
        accepted = await said
        self.ids[number] = message
        self.model.accept(number, dict(zip(asked, accepted.turns, strict=True)))

    async def rewind(self, choice: int) -> None:
        number = list(self.model.people)[choice % len(self.model.people)]
        how = ("again", "in other words", "out")[choice // 8 % 3]
        text = f"other {self._number()}" if how == "in other words" else ""
        named, asked = asked_by(choice) if text else ([], self.model.asked[number])
        going = self.rewinds.rewind(
            self.conversation, ANN, fresh(), self.ids[number], ask=how != "out", text=text, mentions=named
        )
        if number <= self.model.floor:
            with pytest.raises(TooFarBack):
                await going
            return
        turns = (await going).turns
        asked = asked if how != "out" else []
        self.model.rewind(number, text, dict(zip(asked, turns, strict=True)), ask=how != "out")

    async def configure(self, choice: int) -> None:
        ways: Any = ("enqueue", "reject", "interrupt", "rollback")
        self.model.way = ways[choice % 4]
        await self.house.conversations.configure(self.conversation, ANN, double_texting=ways[choice % 4])

    async def cancel(self, choice: int) -> None:
        waiting = list(self.model.queue)
        place = choice % len(waiting)
        for each in waiting if choice % 5 == 0 else [waiting[place]]:
            self.model.cancel(each)
        turn = TurnId((await self._queue())[place])
        await self.house.turns.cancel(self.conversation, ANN, None if choice % 5 == 0 else turn)

    async def begin(self, _: int) -> None:
        self.lease = self.lease or await self.house.claim(self.conversation)
        self.turn = await self.house.turns.begin(self.lease, back=BACK)
        assert self._named(self.turn) == self.model.begin()

    def _named(self, turn: Turn | None) -> str:
        if turn is None:
            return ""
        return name_of(turn.agent, turn.rewinds) if turn.rewinds else turn.id

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
        outcome = "completed" if turn.rewinds else outcome
        if self.model.turns[self._named(turn)].stop == "rollback":
            with pytest.raises(RollBackFirst):
                await tell(self.lease, turn, outcome, unheard=unheard)
            await tell(self.lease, turn, "cancelled", back="1")
        for _ in range(1 + choice % 2):  # a reply that was lost
            await tell(self.lease, turn, outcome, unheard=unheard)
        self.model.finish(self._named(turn), outcome, unheard=unheard)
        self.turn = None

    async def _queue(self) -> list[str]:
        keys = self.house.floor.keys.conversation(self.conversation)
        found: list[Any] = await self.house.floor.commands.lrange(keys.fifo, 0, -1)
        return [turn.decode() for turn in found]

    async def compare(self) -> None:
        names = {await self._name_in_the_model(turn): turn for turn in await self._queue()}
        assert list(names) == self.model.queue
        page = await self.house.messages.history(self.conversation, ANN, limit=200)
        wanted = [self.model.people[each] if isinstance(each, int) else each for each in self.model.history]
        assert [message.text for message in page.messages] == wanted
        for turn, record in self.model.turns.items():
            if not record.rewinds or record.state != "finished":
                await self._compare_record(names.get(turn, turn), record)
        for agent in AGENTS:
            ways = await self.rewinds.checkpoints(self.conversation, ANN, AgentName(agent))
            found = [(way.turn, way.message) for way in ways.checkpoints]
            assert found == [(turn, self.ids[number]) for turn, number in self.model.ways_back(agent)]

    async def _name_in_the_model(self, turn: str) -> str:
        keys = self.house.floor.keys.conversation(self.conversation)
        found: list[Any] = await self.house.floor.commands.hmget(keys.turn(turn), "agent", "rewinds")
        agent, rewinds = [(each or b"").decode() for each in found]
        return name_of(agent, tuple(rewinds.split(","))) if rewinds else turn

    async def _compare_record(self, turn: str, wanted: Record) -> None:
        keys, commands = self.house.floor.keys.conversation(self.conversation), self.house.floor.commands
        found: list[Any] = await commands.hmget(
            keys.turn(turn), "state", "stop", "messages", "outcome", "reason"
        )
        if wanted.state == "forgotten":
            assert found == [None] * 5
            return
        state, stop, messages, outcome, reason = [(each or b"").decode() for each in found]
        assert (state, stop, (outcome, reason)) == (wanted.state, wanted.stop, wanted.end)
        assert messages == ",".join(self.ids[number] for number in wanted.messages)


def asked_by(choice: int) -> tuple[list[str], list[str]]:
    """Whom a text names, and who is asked by that."""
    named = [[], ["one"], ["two"], ["two", "one"]][choice % 4]
    return named, [agent for agent in AGENTS if agent in named] or ["one"]


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
    "its own answer stays": ("rewind", "begun.high >= seq then", "begun.high > seq then"),
    "what was heard stays heard": ("rewind", "forget_begun(gone)\nhear_anew(seq, low)", "forget_begun(gone)"),
    "threads stay where they are": ("rewind", "queue_back(to_bring, back, 21 + ids_for_asking)", ""),
    "threads follow at the end": (
        "rewind",
        "redis.call('LPUSH', KEYS[7], turn)",
        "redis.call('RPUSH', KEYS[7], turn)",
    ),
    "one goes back less far": ("ledger", "and of_agent > most)", "and of_agent >= most)"),
    "a cancel stops what follows": (
        "cancel",
        "if redis.call('HEXISTS', record, 'rewinds') == 1 then return end",
        "",
    ),
    "it is in a message's way": ("answering", "and not record[4] then", "then"),
    "it goes on speaking": ("complete", "KEYS[5], 'stop') == 'rollback'", "KEYS[5], 'stop') == 'never'"),
}
"""Lua file, a text of it, and what stands in its place."""
WRONG = (AssertionError, TooFarBack, ValueError, Busy, BaseExceptionGroup, pytest.fail.Exception)
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
