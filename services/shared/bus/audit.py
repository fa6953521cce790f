"""The audit log: who did what, and who was denied; append-only, trimmed by age and length.

Deeds that have a script get their entry in it (lua/audit.lua): neither is ever there without the other. What
has none, a connect and a refusal, is noted here by the process that saw it. Each partition has a stream of
deeds and one of denials, so that no flood of denials drives a deed out; `AuditExport` reads all as one.
Must never be given what somebody said.
"""

import secrets
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Any

from services.shared.bus.floor import Floor
from services.shared.bus.scripts import Arg, Call, script
from services.shared.bus.sentinel import mapped
from services.shared.model.audit import Action, AuditEntry

DAY_MS = 86_400_000
AT_ONCE = 1000
"""Entries of one stream let go of by one script."""
PAGE = 100
"""Entries of one stream read in one go."""
REMEMBERED = 10_000
"""Notes an export knows again: what is written twice is written within seconds."""
UNKNOWN = "-"
"""How scripts write a connection or a trace there is none of."""

Id = tuple[int, int]
"""A stream entry's id: milliseconds, and a number among those of one millisecond."""


class Audit:
    """Noted, trimmed, exported."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._process = secrets.token_hex(6)
        self._noted = 0

    @property
    def on(self) -> bool:
        """Whether a log is kept."""
        return self._floor.settings.audit == "on"

    def named(self) -> str:
        """A note of an entry: given to each one once, and again when the same is written again."""
        self._noted += 1
        return f"{self._process}-{self._noted}"

    async def note(self, entries: Mapping[str, AuditEntry]) -> None:
        """Add entries, by the notes they got from `named`; replicated on return. Repeated with the same notes
        they count once. Their time is when Redis gets them. Raises NotReplicated, BusUnavailable.
        """
        if self.on:
            await self._floor.scripts.batch_acknowledged(self._calls(entries))

    async def trim(self) -> int:
        """Let go of what is too old or too much, some of each stream at a time; how many. Raises
        BusUnavailable.
        """
        settings, trim = self._floor.settings, script("audit_trim")
        age_ms = settings.audit_days * DAY_MS
        kept = settings.audited(), settings.audited_denials()
        calls = [
            Call(trim, [key], [most, age_ms, AT_ONCE])
            for each in self._floor.keys.shared()
            for key, most in zip((each.audit, each.denied), kept, strict=True)
        ]
        return sum(await self._floor.scripts.batch(calls))

    async def now_ms(self) -> int:
        """Redis' clock: every entry that is still to come has this time or a later one. Raises
        BusUnavailable.
        """
        async with mapped("audit"):
            seconds, micros = await self._floor.commands.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def export(self, since_ms: int = 0) -> "AuditExport":
        """A reader of all entries from a time on."""
        return AuditExport(self._floor, since_ms)

    def _calls(self, entries: Mapping[str, AuditEntry]) -> Sequence[Call]:
        settings, args = self._floor.settings, dict[str, list[Arg]]()
        for note, entry in entries.items():
            user = self._floor.keys.user(entry.actor or entry.connection or entry.target).shared
            denied = entry.action == Action.DENIED
            most = settings.audited_denials() if denied else settings.audited()
            args.setdefault(user.denied if denied else user.audit, [most]).extend(_written(entry, note))
        return [Call(script("audit_note"), [key], each) for key, each in args.items()]


class AuditExport:
    """Reads the log forward, in order of time over all partitions. Remembers where it stands, so that who
    follows calls `until` again and again.
    """

    def __init__(self, floor: Floor, since_ms: int) -> None:
        self._commands = floor.commands
        self._deadline_s = floor.settings.redis_deadline_s
        self._streams = [key for each in floor.keys.shared() for key in (each.audit, each.denied)]
        self._since_ms = since_ms
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def until(self, ms: int) -> AsyncIterator[AuditEntry]:
        """The entries from where the last call ended up to, not including, this time; a time in the past by
        `Audit.now_ms`, or entries may still come behind. Raises BusUnavailable.
        """
        since, self._since_ms = self._since_ms, max(ms, self._since_ms)
        if ms <= since:
            return
        end = f"({ms}-0"
        pages = [
            deque(page) for page in await self._pages([(key, f"{since}-0") for key in self._streams], end)
        ]
        heads = [(_id(page[0][0]), number) for number, page in enumerate(pages) if page]
        heapify(heads)
        while heads:
            _, number = heappop(heads)
            page = pages[number]
            last, fields = page.popleft()
            if not page:
                page.extend((await self._pages([(self._streams[number], f"({last.decode()}")], end))[0])
            if page:
                heappush(heads, (_id(page[0][0]), number))
            if self._is_new(fields):
                yield _read(last, fields)

    async def _pages(self, wanted: Sequence[tuple[str, str]], end: str) -> Sequence[Sequence[Any]]:
        async with (
            mapped("audit", within_s=self._deadline_s),
            self._commands.pipeline(transaction=False) as pipe,
        ):
            for key, start in wanted:
                pipe.xrange(key, start, end, count=PAGE)
            return list(await pipe.execute())

    def _is_new(self, fields: Mapping[bytes, bytes]) -> bool:
        note = fields.get(b"note", b"").decode()
        if note in self._seen:
            return False
        if note:
            self._seen[note] = None
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return True


def _written(entry: AuditEntry, note: str) -> list[Arg]:
    known: list[Arg] = [entry.action, entry.actor, entry.conversation, entry.target]
    return [*known, entry.connection or UNKNOWN, entry.trace or UNKNOWN, entry.code, entry.times, note]


def _id(text: bytes) -> Id:
    ms, _, number = text.partition(b"-")
    return int(ms), int(number)


def _read(at: bytes, fields: Mapping[bytes, bytes]) -> AuditEntry:
    said = {name.decode(): value.decode() for name, value in fields.items()}
    return AuditEntry(
        action=said.get("action", ""),
        actor=said.get("actor", ""),
        conversation=said.get("conversation", ""),
        target=said.get("target", ""),
        connection=_known(said.get("connection", "")),
        trace=_known(said.get("trace", "")),
        code=int(said.get("code", 0)),
        times=int(said.get("times", 1)),
        time_ms=_id(at)[0],
    )


def _known(text: str) -> str:
    return "" if text == UNKNOWN else text
