"""Protections taken out, one at a time: with any of them missing the same campaign must find violations.

Installed by `launched` into a real service, for control runs only. Each names what it breaks; `acks`
and `expiry` are settings of the product and need no code.
"""

from collections.abc import Callable
from typing import Any

from services.connection.core.merge import ChannelMerge
from services.connection.core.showing import Effect, Show
from services.shared.bus import scripts
from services.shared.model.conversation import Entry, Reading
from services.shared.wire.envelopes import LivePush

LUA = {
    # Whoever says it owns a conversation may write in it, and in its threads.
    "fencing": {
        "fence": (
            ("return held[1] == ARGV[3] and held[2] == ARGV[4]", "return true"),
            ("return holds_lease() and redis.call('HGET', turn, 'attempt') == execution", "return true"),
        ),
        "owner": (("return held[1] == ARGV[1] and held[2] == ARGV[2]", "return true"),),
    },
    # A message is accepted as often as it is sent.
    "idempotency": {"accept": (("if first_epoch or speaker then", "if false then"),)},
    # What a dead attempt left unfinished stays as it is.
    "retraction": {
        "speech": (("local open = redis.call('HGETALL', at.head .. ':open')", "local open = {}"),),
    },
    # An edit is kept and acknowledged, and nobody is told.
    "telling": {
        "message_edit": (
            (
                """append(at, 'e', '{"type":"message.edited",""",
                """standing_at(at); local _ = tostring('{"type":"message.edited",""",
            ),
        ),
    },
    # Who has left is said to have left in every round.
    "once": {
        "depart": (
            ("redis.call('ZREM', KEYS[1], due)", ""),
            ("redis.call('HDEL', present, user)", ""),
        ),
    },
}
"""By protection: Lua file -> texts and what stands in their place."""

SETTINGS: dict[str, dict[str, str]] = {
    "acks": {"CONTINUO_ACKS": "master"},
    "grace": {"CONTINUO_GRACE_S": "0"},
    # A process that died holds its seats for longer than is promised.
    "expiry": {"CONTINUO_PRESENCE_DEAD_AFTER_S": "20"},
}
"""By protection: settings that take it out, or help to."""

PROTECTIONS = ("acks", "fencing", "merge", "idempotency", "retraction", "telling", "grace", "once", "expiry")


def settings_without(protection: str) -> dict[str, str]:
    """Settings that take a protection out."""
    return SETTINGS.get(protection, {})


def install(protection: str) -> None:
    """Take a protection out of this process. Raises AssertionError when its code is not where it was."""
    if protection in LUA:
        _edit_scripts(LUA[protection])
    elif protection == "merge":
        _show_whatever_comes()
    elif protection == "grace":
        _announce_at_once()
    else:
        assert protection in SETTINGS, f"no protection is called {protection}"


def _edit_scripts(edits: dict[str, Any]) -> None:
    honest: Callable[[str], str] = scripts._source
    for name, replacements in edits.items():
        for text, _ in replacements:
            assert text in honest(name), f"lua/{name}.lua has no {text!r} any more"

    def edited(name: str) -> str:
        source = honest(name)
        for text, instead in edits.get(name, ()):
            source = source.replace(text, instead)
        return source

    scripts._source = edited
    scripts.script.cache_clear()


def _show_whatever_comes() -> None:
    """No order, no holes, no repeats are looked after, and nothing is waited for."""

    def heard(self: ChannelMerge, push: LivePush, begun: int) -> list[Effect]:
        del self, begun
        offset = push.position.offset if push.position else 0
        return [Show("", (Entry(offset, push.kind, push.body),))]

    def read(self: ChannelMerge, reading: Reading, begun: int) -> list[Effect]:
        del begun
        self.wants = None
        return [Show("", tuple(reading.entries))]

    ChannelMerge.heard = heard  # type: ignore[method-assign]
    ChannelMerge.read = read  # type: ignore[method-assign]


def _announce_at_once() -> None:
    """Who has no seat is said to have left: beside the grace, which is a setting, leaves wait for nothing."""
    from services.presence.sweep import Sweep  # noqa: PLC0415 - not every service's process needs it

    defaults = Sweep.__init__.__kwdefaults__
    assert defaults is not None
    assert "late_ms" in defaults, "a sweep has no late_ms any more"
    defaults["late_ms"] = 0
