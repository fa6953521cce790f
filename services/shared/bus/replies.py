"""Replies of scripts as values of the model. Called by the ports; pure, so no port repeats a field's name or
order.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from services.shared.model import formats
from services.shared.model.asking import Question
from services.shared.model.conversation import (
    ENQUEUE,
    Appended,
    Entry,
    KeptMessage,
    OpenMessage,
    ReadUpTo,
    Settings,
    Underway,
)
from services.shared.model.errors import Broken
from services.shared.model.ids import AgentName, AttemptId, MessageId, TurnId, UserId
from services.shared.model.members import Marks
from services.shared.model.position import NOWHERE, Head, Position, forks_from_text


class _OpenHeader(msgspec.Struct):
    """Header of an unfinished message as `start_message` stores it; fields of later releases are ignored."""

    agent: str
    turn: str
    attempt: str
    kind: str = ""
    name: str = ""
    path: tuple[str, ...] = ()


class _Asked(msgspec.Struct):
    """What is asked, as lua/finish.lua stores it."""

    time: int
    interrupt: str
    turn: str
    agent: str
    value: msgspec.Raw
    schema: msgspec.Raw = msgspec.Raw(b"")


_NAMES = {"tool": "call", "reasoning": "message", "subagent": "subagent"}
"""What the id of that which is under way is called, by kind."""
_asked = msgspec.json.Decoder(_Asked)
_headers = msgspec.json.Decoder(_OpenHeader)


def head(top: bytes | int, low: bytes | int, forks: bytes, low_delta: bytes | int = 0) -> Head:
    """A journal's head from its fields; `low_delta` matters only to who reads deltas."""
    return Head(int(top), int(low), forks_from_text(forks.decode()) or NOWHERE.forks, int(low_delta))


def position(epoch: bytes, offset: bytes | int) -> Position:
    """A position from its two fields."""
    return Position(epoch.decode(), int(offset))


def appended(reply: Sequence[Any]) -> Appended:
    """The reply {word, epoch, offset} of scripts that append."""
    return Appended(position(reply[1], reply[2]))


def settings(fields: Sequence[bytes | None] | None) -> Settings:
    """Who answers, from the fields {agents, answers, double_texting} of a head; nil is one nobody wrote."""
    agents, answers, double_texting = fields or (None, None, None)
    return Settings(
        agents=tuple(AgentName(each) for each in (agents or b"").decode().split(",") if each),
        answers=msgspec.json.decode(answers) if answers else {},
        double_texting=double_texting.decode() if double_texting else ENQUEUE,
    )


def read_up_to(fields: Sequence[bytes | int] | None) -> ReadUpTo:
    """How far a user has read, from {number, unread}; nil is of one who reads nothing here."""
    return ReadUpTo(int(fields[0]), int(fields[1])) if fields else ReadUpTo()


def entry(fields: Sequence[bytes]) -> Entry:
    """One journal entry {id, kind, body, its format if it says one}. Raises Broken for one of a format that
    this release cannot read.
    """
    if len(fields) > 3 and not formats.known(fields[3]):
        raise Broken(f"a journal entry is of format {fields[3].decode()}, which this release cannot read")
    return Entry(int(fields[0].partition(b"-")[0]), fields[1].decode(), fields[2])


def _open_message(fields: Sequence[bytes], said: _OpenHeader) -> OpenMessage:
    return OpenMessage(
        message=MessageId(fields[0].decode()),
        agent=AgentName(said.agent),
        turn=TurnId(said.turn),
        attempt=AttemptId(said.attempt),
        text=fields[2].decode(),
        at=int(fields[3]),
    )


def unfinished(fields: Sequence[Sequence[bytes]]) -> tuple[tuple[OpenMessage, ...], tuple[Underway, ...]]:
    """What is unfinished: messages, and what else is streamed; of each {id, header, text, units}."""
    headers = [(each, _headers.decode(each[1])) for each in fields]
    return (
        tuple(_open_message(each, said) for each, said in headers if not said.kind),
        tuple(_underway(each, said) for each, said in headers if said.kind),
    )


def _underway(fields: Sequence[bytes], said: _OpenHeader) -> Underway:
    name = {_NAMES.get(said.kind, "call"): fields[0].decode()}
    return Underway(
        **name,
        kind=said.kind,
        name=said.name,
        agent=AgentName(said.agent),
        turn=TurnId(said.turn),
        attempt=AttemptId(said.attempt),
        text=fields[2].decode(),
        at=int(fields[3]),
        path=said.path,
    )


def question(text: bytes) -> Question:
    """What an agent asks, from its JSON."""
    said = _asked.decode(text)
    turn, agent = TurnId(said.turn), AgentName(said.agent)
    return Question(said.interrupt, turn, agent, said.time, bytes(said.value), bytes(said.schema))


def marks(mark: bytes | None) -> Marks:
    """What a user made of a conversation, from "<muted until, - for good> <1 archived>"; nil: nothing."""
    if mark is None:
        return Marks()
    muted, _, archived = mark.decode().partition(" ")
    return Marks(None if muted == "-" else int(muted), archived == "1")


def flat(pairs: Sequence[bytes]) -> dict[str, str]:
    """A hash that came as a flat list of fields and values."""
    texts = [each.decode() for each in pairs]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _reactions(lines: str) -> dict[str, tuple[UserId, ...]]:
    """Who put which, from lines of a reaction and a user, in an order that is always the same."""
    users: defaultdict[str, list[UserId]] = defaultdict(list)
    for line in sorted(lines.split("\n") if lines else ()):
        reaction, _, user = line.partition(" ")
        users[reaction].append(UserId(user))
    return {reaction: tuple(found) for reaction, found in users.items()}


def kept_message(pairs: Sequence[bytes]) -> KeptMessage:
    """A kept message from its hash."""
    fields = flat(pairs)
    user, agent, turn = fields.get("user"), fields.get("agent"), fields.get("turn")
    reply_to, mentions = fields.get("reply_to"), fields.get("mentions", "")
    return KeptMessage(
        id=MessageId(fields["id"]),
        user=UserId(user) if user is not None else None,
        agent=AgentName(agent) if agent is not None else None,
        text=fields["text"],
        seq=int(fields["seq"]),
        created_ms=int(fields["created_ms"]),
        turn=TurnId(turn) if turn is not None else None,
        reply_to=MessageId(reply_to) if reply_to else None,
        mentions=tuple(UserId(each) for each in mentions.split(",") if each),
        edits=int(fields.get("edits", 0)),
        deleted="deleted" in fields,
        reactions=_reactions(fields.get("reactions", "")),
    )
