"""A session under watch: its effects are checked against what a shell and an SDK rely on.

Used by property tests and the fuzz target. It keeps its own books of what was asked, held and owed, so that a
session which forgets, repeats or reorders is caught at the event where it does.
"""

import json
from math import inf

from services.connection.core.admission import Limits
from services.connection.core.effects import (
    Call,
    Close,
    Effect,
    GoLive,
    History,
    Join,
    Leave,
    Opened,
    Presence,
    PresenceStats,
    Publish,
    Question,
    VerifyToken,
    Write,
)
from services.connection.core.events import (
    Answer,
    Event,
    FrameReceived,
    Joined,
    Removed,
    TimePassed,
    TransportLost,
)
from services.connection.core.session import Session
from services.shared.model.ids import Channel, ConnectionId
from services.shared.wire.protocol import MalformedError, decode_frame

ERRANDS = (Call, Publish, Presence, PresenceStats, History)


class WatchedSession:
    """A session and the books about it. Any breach of the rules is an AssertionError."""

    def __init__(self, limits: Limits | None = None, jitter: float = 0.5) -> None:
        self.limits = limits or Limits()
        self.session = Session(ConnectionId("conn"), self.limits, version="1", now=0.0, jitter=jitter)
        self.now = 0.0
        self.closed: Close | None = None
        self.lost = False
        self.refused = False
        self.user = ""
        self.asked: Question | None = None
        self.last_ref = 0
        self.joined: set[Channel] = set()
        self.live: set[Channel] = set()
        self.owed: list[tuple[int, float]] = []
        self.replies: list[dict[str, object]] = []
        self.pushes: list[dict[str, object]] = []

    def handle(self, event: Event, after: float = 0.0) -> list[Effect]:
        """Let `after` seconds pass, feed one event, check what comes of it and return it."""
        self.now += after
        was_over, before = self.closed is not None or self.lost, self.asked
        self._note(event)
        effects = self.session.handle(event, self.now)
        if was_over:
            assert effects == [], f"a session that is over wants {effects}"
        for index, effect in enumerate(effects):
            assert self.closed is None, "an effect after Close"
            self._check(effect, effects[:index])
        if isinstance(event, Removed) and not was_over:
            joining = isinstance(before, Join) and before.channel == event.channel
            assert not (joining and self.asked is before), "still joining what the server took away"
            assert event.channel not in self.live | self.joined
        self._check_state(event)
        return effects

    def _note(self, event: Event) -> None:
        if self.asked is not None and isinstance(event, Answer) and event.ref == self.asked.ref:
            if isinstance(self.asked, Join) and isinstance(event, Joined):
                self.joined.add(self.asked.channel)
            self.asked = None
        if isinstance(event, TransportLost):
            self.lost = True
        if isinstance(event, FrameReceived) and not self.refused and not event.binary:
            self._note_commands(event.data)

    def _note_commands(self, data: bytes) -> None:
        if len(data) > self.limits.message_bytes:
            return
        try:
            commands = decode_frame(data)
        except MalformedError:
            return
        for command, _ in commands:
            if not command.is_pong:
                self.owed.append((command.id, self.now + self.limits.answer_s))

    def _check(self, effect: Effect, before: list[Effect]) -> None:
        match effect:
            case Close():
                self.closed = effect
            case Write():
                self._check_write(effect.data, before)
            case Opened():
                assert not self.user, "opened twice"
                assert before, "opened before its reply"
                self.user = effect.user
            case GoLive():
                assert effect.channel in self.joined, "live without a join"
                assert any(isinstance(each, Write) for each in before), "live before its reply"
                self.joined.discard(effect.channel)
                self.live.add(effect.channel)
            case Leave():
                self._check_leave(effect.channel)
            case _:
                self._check_question(effect)

    def _check_leave(self, channel: Channel) -> None:
        joining = isinstance(self.asked, Join) and self.asked.channel == channel
        assert channel in self.live or channel in self.joined or joining, "left what was never held"
        self.live.discard(channel)
        self.joined.discard(channel)

    def _check_question(self, question: Question) -> None:
        assert question.ref > self.last_ref, "a ref used twice"
        self.last_ref = question.ref
        if isinstance(question, Join):
            assert question.channel not in self.live
        if isinstance(question, ERRANDS):
            assert self.user, "an errand before the connection is open"
            assert question.user == self.user
        if not self.user:
            assert isinstance(question, VerifyToken | Join), "only connect asks before the connection is open"
        self.asked = question

    def _check_write(self, data: bytes, before: list[Effect]) -> None:
        assert b"\n" not in data
        said = json.loads(data)
        assert isinstance(said, dict)
        if "id" in said:
            assert self.owed, f"a reply to nothing: {said}"
            command, _ = self.owed.pop(0)
            assert command == said["id"], f"replied to {said['id']}, the oldest unanswered is {command}"
            assert len(said) == 2, said
            self._check_given_up(before)
            self.replies.append(said)
            self.refused = self.refused or ("error" in said and not self.user)
        else:
            assert said == {} or "push" in said
            self.pushes.append(said)

    def _check_given_up(self, before: list[Effect]) -> None:
        """A command that is answered while its question is open was given up: its join must be undone."""
        if isinstance(self.asked, Join):
            assert Leave(self.asked.channel) in before, "gave up a join and did not leave"
        self.asked = None

    def _check_state(self, event: Event) -> None:
        over = self.closed is not None or self.lost
        assert self.session.closed == over
        if over:
            assert self.session.due() == inf
            return
        assert self.session.channels == self.live
        assert not self.joined or not (self.user or self.refused), "joined, and neither live nor left"
        assert len(self.live) <= self.limits.channels
        assert self.user in {"", self.session.user}
        if self.refused:
            self.owed.clear()
        if isinstance(event, TimePassed):
            assert self.session.due() > self.now, "asks for a time that has passed"
            assert all(deadline > self.now for _, deadline in self.owed), "a command was not answered in time"
