"""Members: who comes and goes does so once, and what changes nothing is told to nobody. Pure.

Judged on the house's own journal, in its order; what retention dropped before it may have been anything.
"""

from collections.abc import Iterator, Mapping

from tests.chaos.ground import Ground
from tests.chaos.history import History
from tests.chaos.violations import Kind, Violation

HOUSE = "the house"
BECOMES = {
    "member.invited": "invited",
    "member.joined": "a member",
    "member.declined": "a stranger",
    "member.left": "a stranger",
}
BEFORE = {
    "member.invited": {"a stranger"},
    "member.joined": {"a stranger", "invited"},
    "member.declined": {"invited"},
    "member.left": {"a member"},
}
"""What somebody must have been, where that is known."""


def members(_: History, grounds: Mapping[str, Ground]) -> Iterator[Violation]:
    """Every change of members, roles and titles that was none, or could not be."""
    for conversation, ground in grounds.items():
        for detail in _misfits(ground):
            yield Violation(Kind.REPEATED, conversation, HOUSE, detail)


def _misfits(ground: Ground) -> Iterator[str]:
    stands: dict[str, str] = {}
    roles: dict[str, str] = {}
    title: str | None = None
    for offset in ground.lasting:
        event = ground.entries[offset].event
        kind, user = event["type"], event.get("user", "")
        if kind in BECOMES:
            if stands.get(user) and stands[user] not in BEFORE[kind]:
                yield f"{kind} at {offset}: {user} was {stands[user]} before"
            stands[user] = BECOMES[kind]
        if kind in ("member.joined", "member.changed"):
            if kind == "member.changed" and roles.get(user) == event["role"]:
                yield f"member.changed at {offset}: {user} was {event['role']} before"
            roles[user] = event["role"]
        if kind == "conversation.updated":
            if title == event["title"] and not event.keys() & {"agents", "answers", "double_texting"}:
                yield f"conversation.updated at {offset}: the title was {title!r} before"
            title = event["title"]
