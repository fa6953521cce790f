"""Lua files as callables: run by their hash, acknowledged by a replica where that is asked.

Used by every port of the bus. A script's reply is an array whose first element may be a word:
`ok` and `repeat` are let through; a word of `REFUSALS` is raised as the error it stands for (its second
element, if any, is the sentence). An error of Redis that passes is BusUnavailable; any other is a fault of
ours, `Broken`, which nobody repeats. Every script can be run twice: a lost reply is retried on the master of
the moment.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from services.shared.bus.failover import Failover
from services.shared.bus.joint import Joint
from services.shared.bus.sentinel import mapped
from services.shared.bus.settings import RedisSettings
from services.shared.model.errors import (
    AlreadyAnswered,
    BadRequest,
    Broken,
    BusUnavailable,
    Busy,
    ContinuoError,
    LeaseLost,
    MessageConflict,
    NotAsked,
    NotMember,
    NotReplicated,
    OutsideWindow,
    Overloaded,
    QueueFull,
    Refused,
    RollBackFirst,
    TooFarBack,
    UnknownConversation,
)
from services.shared.runtime.clock import Clock
from services.shared.runtime.metrics import Metrics

Arg = str | bytes | int | float
"""What a script takes as an argument."""
Reply = Any
"""What a script answered: bytes, int, None or lists of these."""
Judge = Callable[[str, Reply], Reply]
"""Lets the reply of a script through, or raises what it stands for."""

REFUSALS: dict[bytes, type[ContinuoError]] = {
    b"not_member": NotMember,
    b"unknown": UnknownConversation,
    b"conflict": MessageConflict,
    b"outside": OutsideWindow,
    b"full": QueueFull,
    b"overloaded": Overloaded,
    b"busy": Busy,
    b"refused": Refused,
    b"answered": AlreadyAnswered,
    b"too_far": TooFarBack,
    b"not_asked": NotAsked,
    b"bad": BadRequest,
    b"lease_lost": LeaseLost,
    b"roll_back": RollBackFirst,
}

PASSING = frozenset(
    (
        *("BUSY", "UNKILLABLE", "UNBLOCKED", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"),
        *("READONLY", "NOREPLICAS", "OOM", "MISCONF"),
    )
)
"""First words of errors that pass by themselves: the server's state, not our doing."""

_HEADER = re.compile(r"--[^\n]*\bKEYS\b.*?--[^\n]*\bARGV\b.*?--[^\n]*\breply\b", re.DOTALL | re.IGNORECASE)
_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """One Lua file, its includes resolved."""

    name: str
    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """Load `lua/<name>.lua`. Raises ValueError if its header does not list KEYS, ARGV and reply."""
    raw = _source(name)
    if not _HEADER.search(raw.partition("\nlocal ")[0]):
        raise ValueError(f"lua/{name}.lua has no header that lists KEYS, ARGV and reply")
    text = _INCLUDE.sub(lambda found: _source(found[1]), raw)
    return Script(name, text, hashlib.sha1(text.encode()).hexdigest())  # noqa: S324 - Redis names scripts so


def _source(name: str) -> str:
    return resources.files(__package__).joinpath("lua", f"{name}.lua").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Call:
    """A script with what it is to be run on."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Arg] = ()
    for_good: bool = False
    """Whether what it does must be on a replica when it is told of."""

    def command(self, by_text: bool) -> tuple[Any, ...]:
        """The command that runs it: by hash, or by text where the server does not know the hash yet."""
        what = ("EVAL", self.script.text) if by_text else ("EVALSHA", self.script.sha)
        return (*what, len(self.keys), *self.keys, *self.args)


class Scripts:
    """Runs scripts on the master."""

    def __init__(
        self, client: Redis, failover: Failover, settings: RedisSettings, clock: Clock, metrics: Metrics
    ) -> None:
        self._joint = Joint(client)
        self._failover = failover
        self._settings = settings
        self._clock = clock
        self._metrics = metrics

    async def run(self, name: str, keys: Sequence[str], args: Sequence[Arg] = ()) -> Reply:
        """Run one script. Raises what its refusal stands for, BusUnavailable, or Broken."""
        [reply] = await self._send(name, [Call(script(name), keys, args)])
        return self._accepted(name, reply)

    async def batch(self, calls: Sequence[Call], judge: Judge | None = None) -> list[Reply]:
        """Run several scripts in one round trip, each atomic by itself.

        A refusal or an error is raised after all have run; so says `judge`, where there is none.
        """
        if not calls:
            return []
        replies = await self._send(calls[0].script.name, calls)
        return self._judged(calls, replies, judge)

    async def each(self, calls: Sequence[Call], *, acknowledged: bool) -> list[Reply | Refused]:
        """Run several in one round trip, with one WAIT for all of them if asked; of one that was Refused that
        stands in its place. Raises any other refusal and error, after all have run.
        """
        if acknowledged:
            return await self.batch_acknowledged(calls, self._accepted_or_refused)
        return await self.batch(calls, self._accepted_or_refused)

    async def acknowledged(self, name: str, keys: Sequence[str], args: Sequence[Arg] = ()) -> Reply:
        """Run one script and wait, on the same connection, until a replica holds what it wrote.

        The script must write each time, also on a repeat: WAIT answers at once on a connection that wrote
        nothing. With acks=master nothing is waited for. Raises NotReplicated when no replica confirms in
        time.
        """
        [reply] = await self.batch_acknowledged([Call(script(name), keys, args)])
        return reply

    async def batch_acknowledged(self, calls: Sequence[Call], judge: Judge | None = None) -> list[Reply]:
        """Run several scripts and one WAIT for all of them in one round trip. Raises as `acknowledged`."""
        if self._settings.acks == "master" or not calls:
            return await self.batch(calls, judge)
        name = calls[0].script.name
        async with mapped(name, within_s=self._settings.redis_deadline_s):
            while True:
                await self._failover.over()
                begun = self._failover.begun
                accepted = await self._waited(name, calls, judge)
                if begun == self._failover.begun:
                    return accepted
                # Confirmed by a replica that may be about to forget it: once more, on whoever is master then.

    async def _waited(self, name: str, calls: Sequence[Call], judge: Judge | None) -> list[Reply]:
        wait_ms = self._settings.redis_wait_ms
        *replies, replicas = await self._send(name, calls, ("WAIT", 1, wait_ms))
        accepted = self._judged(calls, replies, judge)
        if isinstance(replicas, ResponseError) or replicas < 1:
            self._metrics.waits_failed.inc()
            cause = replicas if isinstance(replicas, ResponseError) else None
            raise NotReplicated(f"{name}: no replica confirmed the write within {wait_ms} ms") from cause
        return accepted

    async def _send(self, name: str, calls: Sequence[Call], *also: tuple[Any, ...]) -> list[Reply]:
        began = self._clock.monotonic()
        try:
            async with mapped(name, within_s=self._settings.redis_deadline_s):
                replies = await self._pipeline(calls, also, by_text=False)
                if any(isinstance(reply, NoScriptError) for reply in replies):
                    replies = await self._pipeline(calls, also, by_text=True)
        except BusUnavailable as error:
            self._metrics.redis_errors.labels(kind=type(error.__cause__).__name__).inc()
            raise
        self._metrics.redis_seconds.labels(operation=name).observe(self._clock.monotonic() - began)
        return replies

    def _judged(self, calls: Sequence[Call], replies: Sequence[Reply], judge: Judge | None) -> list[Reply]:
        judge = judge or self._accepted
        return [judge(call.script.name, reply) for call, reply in zip(calls, replies, strict=True)]

    def _accepted_or_refused(self, name: str, reply: Reply) -> Reply | Refused:
        try:
            return self._accepted(name, reply)
        except Refused as error:
            return error

    def _accepted(self, name: str, reply: Reply) -> Reply:
        try:
            return _accepted(name, reply)
        except LeaseLost:
            self._metrics.fenced.labels(operation=name).inc()
            raise

    async def _pipeline(
        self, calls: Sequence[Call], also: Sequence[tuple[Any, ...]], *, by_text: bool
    ) -> list[Reply]:
        return await self._joint.send([call.command(by_text) for call in calls], tuple(also))


def _accepted(name: str, reply: Reply) -> Reply:
    """Return the reply of a script that did its work; raise what a refusal or an error stands for."""
    if isinstance(reply, ResponseError):
        kind = BusUnavailable if _passes(reply) else Broken
        raise kind(f"{name}: Redis answered {reply}") from reply
    if isinstance(reply, list) and reply and isinstance(reply[0], bytes) and reply[0] in REFUSALS:
        sentence = reply[1].decode() if len(reply) > 1 else reply[0].decode()
        refusal = REFUSALS[reply[0]]
        raise refusal(
            sentence if refusal in (Refused, BadRequest) else f"{name}: {sentence}"
        )  # people are told it
    return reply


def _passes(error: ResponseError) -> bool:
    """Whether the same may succeed later. The library takes the first word off errors it has a class for."""
    return (error.status_code or str(error).partition(" ")[0]) in PASSING
