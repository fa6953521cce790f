"""Says what one execution has to say: carries out the instructions of core/speech, all that are due in one
round trip.

Made by the worker for each execution, and a `Hearer` to the graph's room. An append that Redis did not
answer is made again: each is harmless to repeat. It never decides what is said, and stops for good when
the lease is gone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from services.conversation.core.speech import (
    Complete,
    Delta,
    End,
    Instruction,
    Speech,
    Start,
    Write,
    message_id,
)
from services.conversation.graph.narrate import Said
from services.conversation.trail import Trail
from services.shared.bus.scripts import Call
from services.shared.bus.turns import Turns
from services.shared.model.doing import Doing
from services.shared.model.errors import Refused, Temporary
from services.shared.model.events import ToolOutcome
from services.shared.model.ids import MessageId
from services.shared.model.turn import Lease, Turn
from services.shared.model.utf16 import units
from services.shared.runtime.clock import Clock
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Trouble

AGAIN_S = 0.1
"""Pause before an append is repeated; the bus has tried for seconds by then."""

T = TypeVar("T")
log = get_logger(__name__)


class Speaker:
    """One execution's voice. `run` is its task; `token` and `kept` feed it; `end` lets it finish."""

    def __init__(
        self,
        turns: Turns,
        lease: Lease,
        turn: Turn,
        *,
        interval_s: float,
        clock: Clock,
        trail: Trail,
        cancelling: Callable[[], None],
    ) -> None:
        self._turns = turns
        self._lease = lease
        self._turn = turn
        self._clock = clock
        self._trail = trail
        self._metrics = trail.instruments.metrics
        self._cancelling = cancelling
        self._speech = Speech(frozenset(turn.completed), interval_s)
        self._names: dict[tuple[str, int], MessageId] = {}
        self._more = asyncio.Event()
        self._ending = False
        self._silent = True
        self.usage: dict[str, int] = {}
        """What the models of this attempt have counted."""
        self._spent = False

    def token(self, source: str, text: str) -> None:
        """Hear a piece of a message."""
        self._speech.say(source, text)
        self._more.set()

    def kept(self, said: Sequence[Said]) -> None:
        """Hear what the thread durably holds: these messages are complete."""
        for one in said:
            self._speech.complete(one.source, one.text, one.usage)
        self._more.set()

    def wrote(self, path: tuple[str, ...], value: str) -> None:
        """Hear what a node wrote, as JSON."""
        if not self._ending:
            self._speech.write(path, value)
            self._more.set()

    # -- what is done beside speaking; too late once all is said

    def begins(self, source: str, doing: Doing) -> None:
        """Hear that a tool is about to be called."""
        if not self._ending:
            self._speech.begin(source, doing)
            self._more.set()

    def argues(self, source: str, text: str) -> None:
        """Hear more of its arguments."""
        if not self._ending:
            self.token(source, text)

    def runs(self, source: str, arguments: str) -> None:
        """Hear that it runs."""
        self._speech.whole(source, arguments)
        self._more.set()

    def ends(self, source: str, outcome: ToolOutcome, result: str | None) -> None:
        """Hear how it ended."""
        if not self._ending:
            self._speech.end(source, outcome, result)
            self._more.set()

    def used(self, usage: Mapping[str, int]) -> None:
        """Hear what a call of a model counted."""
        for name, count in usage.items():
            self.usage[name] = self.usage.get(name, 0) + count
        self._spent = True
        self._more.set()

    def end(self) -> None:
        """Say what the thread holds and no more; `run` returns when that is done."""
        self._speech.settle()
        self._ending = True
        self._more.set()

    async def run(self) -> None:
        """Speak until `end` was called and all is said. Raises LeaseLost, and what no repeat can mend."""
        while True:
            instructions = self._speech.take(self._clock.monotonic())
            if instructions or self._spent:
                await self._say(instructions)
                continue
            due_s = self._speech.due_s()
            if due_s is None and self._ending:
                return
            await self._until(due_s)

    async def _say(self, instructions: Sequence[Instruction]) -> None:
        """Carry out what is due, and note what was spent, in one round trip."""
        calls = [self._call(each) for each in instructions]
        if self._spent:
            self._spent = False
            calls.append(self._turns.speaking.spend(self._lease, self._turn, dict(self.usage)))
        outcomes = await persist(partial(self._turns.speaking.say, calls))
        for instruction, outcome in zip(instructions, outcomes, strict=False):
            if isinstance(outcome, Refused) and isinstance(instruction, Start | Delta):
                log.debug("message told anew", reason=str(outcome))
                await self._tell_anew(instruction)
            else:
                self._done(instruction)
        if any(not isinstance(each, Refused) and each.cancelling for each in outcomes):
            self._cancelling()

    async def _tell_anew(self, instruction: Start | Delta) -> None:
        """Take the message back and begin it again: a failover took deltas out of the journal."""
        self._trail.disturbed()
        if (void := self._speech.tell_anew(instruction.source)) is not None:
            await self._retract(Start(instruction.source, void, instruction.doing), "lost")

    async def retract_unfinished(self, reason: str) -> None:
        """Take back by name what was begun and not completed. After `run`. Raises LeaseLost."""
        for begun in self._speech.unfinished():
            await self._retract(begun, reason)

    async def _retract(self, begun: Start, reason: str) -> None:
        message = message_id(self._turn.attempt, begun.source, begun.telling)
        await persist(partial(self._turns.retract, self._lease, self._turn, message, reason))
        if begun.doing is not None:
            return
        self._trail.said(message, "retracted")
        self._metrics.retractions.labels(reason=reason).inc()
        log.info("message retracted", message=message, reason=reason)

    async def _until(self, due_s: float | None) -> None:
        """Wait for more to say, or until what is waiting is due."""
        self._more.clear()
        pause_s = None if due_s is None else max(0.0, due_s - self._clock.monotonic())
        try:
            async with asyncio.timeout(pause_s):
                await self._more.wait()
        except TimeoutError:
            return

    def _name(self, instruction: Start | Delta | Complete | End) -> MessageId:
        telling = instruction.source, instruction.telling
        if (name := self._names.get(telling)) is None:
            name = self._names[telling] = message_id(self._turn.attempt, *telling)
        return name

    def _call(self, instruction: Instruction) -> Call:
        of, say = (self._lease, self._turn), self._turns.speaking
        match instruction:
            case Write(path=path, values=values, cut=cut, number=number):
                return say.write(*of, values, path, cut, number)
            case End() | Start(doing=Doing()) | Delta(doing=Doing()):
                return self._call_of(instruction, self._name(instruction))
            case Start():
                self._trail.begins(self._name(instruction))
                return say.start(*of, self._name(instruction), self._turn.agent)
            case Delta(at=at, text=text):
                return say.delta(*of, self._name(instruction), at, text)
            case Complete(source=source, text=text, usage=usage):
                name, counted = self._name(instruction), dict(usage) if usage else None
                return say.complete(*of, name, text, source, counted)

    def _call_of(self, instruction: Start | Delta | End, name: MessageId) -> Call:
        """Of what is done beside speaking."""
        of, say, doing = (self._lease, self._turn), self._turns.speaking, instruction.doing
        assert doing is not None
        match instruction:
            case Start():
                return say.begin(*of, name, doing)
            case Delta(at=at, text=text):
                return say.argue(*of, name, doing, at, text)
            case End(ended=ended, number=number):
                return say.end(*of, name, doing, ended, number)

    def _done(self, instruction: Instruction) -> None:
        """Count what stands in the journal."""
        match instruction:
            case Delta(text=text, doing=doing):
                self._metrics.deltas.inc()
                self._metrics.delta_units.inc(units(text))
                if doing is None:
                    self._trail.spoke(self._name(instruction), units(text))
                    self._began_to_speak()
            case Complete(text=text, usage=usage):
                self._trail.said(self._name(instruction), "completed")
                if text:
                    self._began_to_speak()
                for kind in ("input", "output"):
                    self._metrics.tokens.labels(kind=kind).inc((usage or {}).get(f"{kind}_tokens", 0))

    def _began_to_speak(self) -> None:
        """Something of the answer can be read: its first delta, or the whole of one that came at once."""
        if self._silent and self._turn.messages:
            self._silent = False
            # What is answered to an answer was not waited for since the message.
            asked_ms = self._turn.queued_ms if self._turn.resumes else self._turn.messages[-1].created_ms
            waited_ms = self._clock.now_ms() - asked_ms
            self._metrics.first_delta_seconds.observe(max(0, waited_ms) / 1000, self._trail.exemplar)


async def persist(act: Callable[[], Awaitable[T]]) -> T:
    """Do something that is harmless to repeat until Redis has answered it. Raises what trying again cannot
    mend.
    """
    unwritten = Trouble(log, "not written yet", "written at last")
    while True:
        try:
            done = await act()
        except Temporary as error:
            unwritten.met(error=type(error).__name__)
            await asyncio.sleep(AGAIN_S)
        else:
            unwritten.over()
            return done
