"""What an agent says and does while its turn runs, as calls of scripts: one, or many in one round trip.

Called by workers, through `turns`. Each call is fenced by lease and attempt, and harmless to run twice; so is
a batch of them, as long as no two are about the same message or the same call of a tool. What is streamed is
unfinished until it is completed or ended: whoever takes the turn over takes it back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from services.shared.bus.floor import Floor
from services.shared.bus.keys import ConversationKeys
from services.shared.bus.lease import Argument, fence_args, fence_keys
from services.shared.bus.scripts import Call, Reply, script
from services.shared.model.doing import Doing, Ended
from services.shared.model.errors import Refused
from services.shared.model.events import (
    AgentCustom,
    Event,
    MessageDelta,
    MessageStarted,
    ReasoningCompleted,
    ReasoningDelta,
    ReasoningStarted,
    SubagentDelta,
    SubagentFinished,
    SubagentStarted,
    ToolDelta,
    ToolFinished,
    ToolStarted,
)
from services.shared.model.ids import AgentName, MessageId
from services.shared.model.position import Position
from services.shared.model.turn import Lease, Spoken, Turn
from services.shared.model.utf16 import units
from services.shared.wire.envelopes import encode_event

Usage = dict[str, Any]
"""What the model counted, as the graph reports it; shown to devices as it is."""

_DELTAS: dict[str, Callable[[str, int, str], Event]] = {
    "tool": ToolDelta,
    "reasoning": ReasoningDelta,
    "subagent": SubagentDelta,
}
FOR_GOOD = frozenset({"complete", "tell"})
"""Scripts whose deeds must be on a replica when they are told of."""


class Speaking:
    """Makes the calls, and carries them out."""

    def __init__(self, floor: Floor) -> None:
        self._scripts = floor.scripts
        self._keys = floor.keys
        self._journal = floor.settings.journal_args()
        self._messages_kept = floor.settings.messages_kept

    async def say(self, calls: Sequence[Call]) -> list[Spoken | Refused]:
        """Carry calls out in order, in one round trip; a refusal (of a delta that does not fit) stands in the
        place of its reply. Completions and ends are replicated on return. Raises LeaseLost, NotReplicated.
        """
        for_good = any(call.for_good for call in calls)
        replies = await self._scripts.each(calls, acknowledged=for_good)
        return [each if isinstance(each, Refused) else _spoken(each) for each in replies]

    async def one(self, call: Call) -> Spoken:
        """Carry one out. Raises as `say`, and Refused."""
        [done] = await self.say([call])
        if isinstance(done, Refused):
            raise done
        return done

    # -- messages

    def start(self, lease: Lease, turn: Turn, message: MessageId, agent: AgentName) -> Call:
        """`agent` begins to speak; deltas may follow."""
        trace = turn.trace or None
        event = MessageStarted(turn.conversation, message, agent, turn.id, turn.attempt, trace=trace)
        kept = self._keys.conversation(lease.conversation).message(message)
        return self._start(lease, turn, message, agent, event, "", kept)

    def delta(self, lease: Lease, turn: Turn, message: MessageId, at: int, text: str) -> Call:
        """More text at UTF-16 unit `at`, where the message ends so far; Refused when it does not."""
        return self._delta(lease, turn, message, at, text, MessageDelta(message, at, text))

    def complete(
        self, lease: Lease, turn: Turn, message: MessageId, text: str, source: str, usage: Usage | None
    ) -> Call:
        """Keep the whole message and tell."""
        at = self._keys.conversation(lease.conversation)
        encoded_usage = b"" if usage is None else msgspec.json.encode(usage)
        keys = [at.open, at.message(message), at.order]
        names = [turn.conversation, turn.id, message, turn.agent]
        args: list[Argument] = [
            *names,
            text,
            msgspec.json.encode(text),
            encoded_usage,
            source,
            self._messages_kept,
        ]
        return self._call("complete", lease, turn, keys, args)

    def retract(self, lease: Lease, turn: Turn, name: str, reason: str) -> Call:
        """Take back what is unfinished: a message; a tool's call ends as cancelled."""
        opened = [self._keys.conversation(lease.conversation).open]
        return self._call("retract", lease, turn, opened, [turn.conversation, name, reason])

    # -- what is done beside speaking

    def begin(self, lease: Lease, turn: Turn, call: str, doing: Doing) -> Call:
        """A tool is about to be called, or a model thinks; text may follow."""
        event = _started(turn, call, doing)
        return self._start(lease, turn, call, turn.agent, event, _header(doing))

    def argue(self, lease: Lease, turn: Turn, call: str, doing: Doing, at: int, text: str) -> Call:
        """More of its text, as `delta`."""
        return self._delta(lease, turn, call, at, text, _DELTAS[doing.kind](call, at, text))

    def end(self, lease: Lease, turn: Turn, call: str, doing: Doing, ended: Ended, number: int) -> Call:
        """It is over. number: higher than of all that this attempt ended before, and the same on a repeat."""
        event = _ended(turn, call, doing, ended)
        opened = [self._keys.conversation(lease.conversation).open]
        return self._call("tell", lease, turn, opened, [number, call, encode_event(event)])

    def write(
        self, lease: Lease, turn: Turn, values: Sequence[str], path: tuple[str, ...], cut: bool, number: int
    ) -> Call:
        """What nodes wrote, as JSON; not waited for. number: as of `end`."""
        of = turn.conversation, turn.agent, turn.id, turn.attempt
        raw = [msgspec.Raw(each.encode()) for each in values]
        event = AgentCustom(*of, raw, cut or None, path or None, trace=turn.trace or None)
        opened = [self._keys.conversation(lease.conversation).open]
        call = self._call("tell", lease, turn, opened, [number, "", encode_event(event)])
        return replace(call, for_good=False)

    def spend(self, lease: Lease, turn: Turn, usage: Mapping[str, int]) -> Call:
        """What the attempt's models have counted so far, for the turn's end."""
        return self._call("spend", lease, turn, [], [msgspec.json.encode(usage)])

    # -- inside

    def _start(
        self, lease: Lease, turn: Turn, name: str, agent: AgentName, event: Event, header: str, *kept: str
    ) -> Call:
        at = self._keys.conversation(lease.conversation)
        args: list[Argument] = [turn.id, name, agent, encode_event(event), header]
        return self._call("start_message", lease, turn, [at.open, at.spoken, at.draft(name), *kept], args)

    def _delta(self, lease: Lease, turn: Turn, name: str, at: int, text: str, event: Event) -> Call:
        keys = self._keys.conversation(lease.conversation)
        args: list[Argument] = [name, at, units(text), text, encode_event(event)]
        return self._call("delta", lease, turn, [keys.open, keys.spoken, keys.draft(name)], args)

    def _call(
        self, name: str, lease: Lease, turn: Turn, keys: Sequence[str], args: Sequence[Argument]
    ) -> Call:
        at: ConversationKeys = self._keys.conversation(lease.conversation)
        fence = [*fence_args(self._journal, lease), turn.attempt]
        fenced = [*fence_keys(at), at.turn(turn.id), *keys]
        return Call(script(name), fenced, [*fence, *args], for_good=name in FOR_GOOD)


def _spoken(reply: Reply) -> Spoken:
    epoch, offset, cancelling = reply
    return Spoken(Position(epoch.decode(), int(offset)), bool(cancelling))


def _started(turn: Turn, name: str, doing: Doing) -> Event:
    path, trace = doing.path or None, turn.trace or None
    if doing.kind == "subagent":
        return SubagentStarted(
            turn.conversation, turn.agent, turn.id, turn.attempt, name, doing.path, trace=trace
        )
    if doing.kind == "reasoning":
        who = turn.agent, turn.id, turn.attempt
        return ReasoningStarted(turn.conversation, name, *who, path, trace=trace)
    names = turn.conversation, turn.agent, turn.id, turn.attempt
    return ToolStarted(*names, name, doing.name, path, trace=trace)


def _ended(turn: Turn, name: str, doing: Doing, ended: Ended) -> Event:
    path, trace, cut = doing.path or None, turn.trace or None, ended.cut or None
    if doing.kind == "subagent":
        of = turn.conversation, turn.agent, turn.id, turn.attempt, name
        return SubagentFinished(*of, ended.outcome, doing.path, cut, trace=trace)
    if doing.kind == "reasoning":
        who = turn.agent, turn.id, turn.attempt
        return ReasoningCompleted(turn.conversation, name, *who, ended.arguments, cut, path, trace=trace)
    names = turn.conversation, turn.agent, turn.id, turn.attempt
    said = name, doing.name, ended.arguments
    return ToolFinished(*names, *said, ended.outcome, ended.result, cut, path, trace=trace)


def _header(doing: Doing) -> str:
    """What its entry in `open` says of it, behind what that of a message says."""
    more: dict[str, object] = {"kind": doing.kind} | ({"name": doing.name} if doing.name else {})
    if doing.path:
        more["path"] = doing.path
    return "," + msgspec.json.encode(more).decode()[1:-1]
