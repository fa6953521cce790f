"""A release to come, for proofs across versions: this one, writing format 2. Nothing of it ships.

`install(setattr)` makes this process one of that release; tests hand `monkeypatch.setattr` in. It adds
wherever a next format may add (see `services.shared.model.formats`): words in live payloads, fields in
journal entries, records, leases and outbox entries, members in JSON, elements at the end of msgpack arrays,
entries of an unknown kind in the control stream. What a script of this release has that is not found any
more is an error: the fixture must not become this release without a word.
"""

from collections.abc import Callable
from typing import Any

from services.shared.bus import roster, scripts, thread_records
from services.shared.model import formats
from services.shared.wire import envelopes

FORMAT = 2
NOVEL = "'novel', 'of a release to come'"

LUA: dict[str, tuple[tuple[str, str], ...]] = {
    "append": (
        ("live, '1 ' .. kind", f"live, '{FORMAT} ' .. kind"),
        ("offset .. ' ' .. body)", "offset .. ' novel=1 more ' .. body)"),
        ("'b', timed, 'm', message)", f"'b', timed, 'm', message, 'f', '{FORMAT}', {NOVEL})"),
        ("'b', timed)", f"'b', timed, 'f', '{FORMAT}', {NOVEL})"),
        ("local timed = '{\"time\":'", 'local timed = \'{"novel":{"of":[1]},"time":\''),
    ),
    "accept": (
        ("'format', ARGV[11])\n    redis", f"'format', ARGV[11], {NOVEL})\n    redis"),
        ("'turns', turns)", f"'turns', turns, {NOVEL})"),
    ),
    "create": (("'format', ARGV[7], 'message_seq'", f"'format', ARGV[7], {NOVEL}, 'message_seq'"),),
    "replay": (("'format', ARGV[5]", f"'format', ARGV[5], {NOVEL}"),),
    "answer": (("'question', entry)", f"'question', entry, {NOVEL})"),),
    "asking": (("integer(now_ms()) .. '}'", "integer(now_ms()) .. ',\"novel\":[1]}'"),),
    "finish": (("string.sub(entry, 2))", "string.sub(entry, 2, -2) .. ',\"novel\":[1]}')"),),
    "start_message": (("'{\"first\":'", '\'{"novel":{"of":[1]},"first":\''),),
    "complete": (("'attempt', ARGV[5])", f"'attempt', ARGV[5], {NOVEL})"),),
    "claim": (("'lease_ms', ARGV[5])", f"'lease_ms', ARGV[5], {NOVEL})"),),
    "member": (("'version', version,", f"'version', version, {NOVEL},"),),
    "control": (
        (
            "return redis.call(",
            "redis.call('XADD', KEYS[1], '*', 'kind', 'novel', 'conversation', ARGV[3])\nreturn redis.call(",
        ),
        ("'turn', ARGV[5], unpack", f"'turn', ARGV[5], {NOVEL}, unpack"),
    ),
    "remember": (("'format', 1,", f"'format', {FORMAT}, {NOVEL},"),),
    "beat": (("redis.call('PEXPIRE'", f"redis.call('HSET', KEYS[2], {NOVEL})\nredis.call('PEXPIRE'"),),
}
"""What the next release writes otherwise, by script: each piece of this one's text and what stands there."""


def lua(name: str, text: str) -> str:
    """A script of the next release. Raises ValueError where this one's is not as it was."""
    for ours, theirs in LUA.get(name, ()):
        if ours not in text:
            raise ValueError(f"lua/{name}.lua has no {ours!r} any more: mend tests/rollout/next_release.py")
        text = text.replace(ours, theirs, 1)
    return text


class _Header(thread_records._Header, array_like=True):
    novel: tuple[str, int] = ("of a release to come", 1)


class _Run(thread_records._Run, array_like=True):
    novel: str = "of a release to come"


class _Seat(roster._SeatRecord, frozen=True):
    novel: str = "of a release to come"


def install(put: Callable[[Any, str, Any], None]) -> None:
    """Make this process one of the next release; `put` as `setattr`."""
    honest = scripts._source
    scripts.script.cache_clear()
    put(scripts, "_source", lambda name: lua(name, honest(name)))
    put(formats, "WRITES", FORMAT)
    put(formats, "READS", frozenset({FORMAT - 1, FORMAT, FORMAT + 1}))
    put(envelopes, "LIVE_FORMAT", b"")  # it has read every payload's additions: its own has some, too
    put(thread_records, "_Header", _Header)
    put(thread_records, "_Run", _Run)
    put(roster, "_SeatRecord", _Seat)
