"""One message as it is seen, and as it is read on a line of a terminal.

Called by `render`, which keeps them, and by what writes them: the view, the history. Pure. A message is the
same line whether it was told live or read from history.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SHORT = 40
"""Characters of a message that is named by its words."""


@dataclass(frozen=True, slots=True)
class Line:
    """One message as it is seen; `finished` False while an agent still speaks. seq: its number, 0 where none
    was told. edits: how often it was said in other words. reactions: (reaction, user).
    """

    message: str
    author: str
    text: str
    finished: bool = True
    seq: int = 0
    reply_to: str = ""
    mentions: tuple[str, ...] = ()
    edits: int = 0
    deleted: bool = False
    reactions: frozenset[tuple[str, str]] = frozenset()


def line_of(told: Mapping[str, Any]) -> Line:
    """A finished message: one of history, or what `message.created` or `message.completed` tells."""
    return Line(
        told.get("message") or told["id"],
        told.get("user") or told.get("agent") or "?",
        told["text"],
        seq=told.get("seq") or 0,
        reply_to=told.get("reply_to") or "",
        mentions=tuple(told.get("mentions") or ()),
        edits=told.get("edits") or 0,
        deleted=bool(told.get("deleted")),
        reactions=frozenset(
            (reaction, user) for reaction, users in (told.get("reactions") or {}).items() for user in users
        ),
    )


def said(line: Line, known: Mapping[str, Line], user: str = "") -> str:
    """What a person reads of it. known: the messages that it may reply to; user: who reads."""
    text = "(deleted)" if line.deleted else line.text
    return f"{line.author}{_reply(line, known)}: {text}{_marks(line, user)}"


def named(line: Line) -> str:
    """A message by its first words."""
    if line.deleted:
        return "a deleted message"
    words = " ".join(line.text.split())
    return repr(words if len(words) <= _SHORT else words[: _SHORT - 4].rstrip() + " ...")


def _reply(line: Line, known: Mapping[str, Line]) -> str:
    if not line.reply_to:
        return ""
    to = known.get(line.reply_to)
    return f" (to {to.author}: {named(to)})" if to else " (to an older message)"


def _marks(line: Line, user: str) -> str:
    marks = "  (edited)" if line.edits and not line.deleted else ""
    if user in line.mentions and user != line.author:
        marks += "  (names you)"
    if line.reactions:
        kinds = sorted({reaction for reaction, _ in line.reactions})
        marks += f"  [{'; '.join(_who(line, kind) for kind in kinds)}]"
    return marks


def _who(line: Line, kind: str) -> str:
    users = sorted(user for reaction, user in line.reactions if reaction == kind)
    return f"{kind} {', '.join(users)}"
