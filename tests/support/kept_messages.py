"""What a server keeps of messages, and the events it tells, in the shapes of docs/protocol.md: a model for
the tests of what is shown. Messages are named a, b, c and so on in the order they are said.
"""

from typing import Any


class Kept:
    """One conversation."""

    def __init__(self) -> None:
        self._messages: dict[str, dict[str, Any]] = {}
        self._count = 0

    def do(self, deed: str, one: str, more: Any) -> list[dict[str, Any]]:
        """Does it, and returns the events; none where it cannot be done."""
        done: list[dict[str, Any]] = getattr(self, f"_{deed}")(one, more)
        return done

    def history(self) -> list[dict[str, Any]]:
        """The messages as `conversation.history` gives them."""
        return [
            {**each, "reactions": {kind: list(users) for kind, users in each["reactions"].items()}}
            for each in self._messages.values()
        ]

    def _add(self, user: str | None, agent: str | None, reply_to: str | None = None) -> dict[str, Any]:
        self._count += 1
        message = chr(96 + self._count)
        self._messages[message] = {
            "id": message,
            "user": user,
            "agent": agent,
            "text": f"says {message}",
            "seq": self._count,
            "reply_to": reply_to if reply_to in self._messages else None,
            "mentions": ["bob"] if user == "ann" else [],
            "edits": 0,
            "deleted": False,
            "reactions": {},
        }
        return self._messages[message]

    def _say(self, user: str, reply_to: str | None) -> list[dict[str, Any]]:
        kept = self._add(user, None, reply_to)
        event = {name: kept[name] for name in ("user", "text", "seq")} | {"message": kept["id"]}
        event |= {name: kept[name] for name in ("reply_to", "mentions") if kept[name]}
        return [{"type": "message.created", **event}]

    def _answer(self, agent: str, _: None) -> list[dict[str, Any]]:
        kept = self._add(None, agent)
        told = {"message": kept["id"], "agent": agent}
        completed = {"type": "message.completed", **told, "text": kept["text"], "seq": kept["seq"]}
        return [{"type": "message.started", **told}, completed]

    def _edit(self, message: str, text: str) -> list[dict[str, Any]]:
        kept = self._messages.get(message)
        if kept is None or kept["deleted"] or not kept["user"] or kept["text"] == text:
            return []
        kept.update(text=text, edits=kept["edits"] + 1)
        told = {"message": message, "user": kept["user"], "text": text, "edits": kept["edits"]}
        return [{"type": "message.edited", **told}]

    def _delete(self, message: str, _: None) -> list[dict[str, Any]]:
        kept = self._messages.get(message)
        if kept is None or kept["deleted"]:
            return []
        kept.update(text="", deleted=True, reactions={})
        return [{"type": "message.deleted", "message": message, "by": "ann"}]

    def _react(self, message: str, how: tuple[str, str, bool]) -> list[dict[str, Any]]:
        user, kind, on = how
        kept = self._messages.get(message)
        if kept is None or kept["deleted"] or (user in kept["reactions"].get(kind, [])) == on:
            return []
        users = kept["reactions"].setdefault(kind, [])
        users.append(user) if on else users.remove(user)
        if not users:
            del kept["reactions"][kind]
        return [{"type": "message.reacted", "message": message, "user": user, "reaction": kind, "on": on}]

    def _rewind(self, message: str, text: str | None) -> list[dict[str, Any]]:
        kept = self._messages.get(message)
        if kept is None or kept["deleted"] or not kept["user"]:
            return []
        gone = [each["id"] for each in self._messages.values() if each["seq"] > kept["seq"]]
        for each in gone:
            del self._messages[each]
        event = {"type": "conversation.rewound", "message": message, "by": kept["user"], "gone": gone}
        if text is None:
            return [event]
        kept.update(text=text, edits=kept["edits"] + (text != kept["text"]))
        return [{**event, "text": text}]
