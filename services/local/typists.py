"""Who types: others, as they are told, and the person here, as others are to be told.

Called by the device, which hears of others, and by `composing`. Pure: times are seconds of any one clock.
"""

from collections.abc import Mapping
from typing import Any

AGAIN_S = 3.0
"""Between two words that one types: others take it for over after 6 s, the server passes one on in 2 s."""
PAUSE_S = 6.0
"""A line that did not change for so long is not being typed."""


class Typists:
    """Those who type in one conversation, until they say something, stop, or are not heard of any more."""

    def __init__(self) -> None:
        self._until_s: dict[str, float] = {}

    def heard(self, event: Mapping[str, Any], now_s: float) -> str:
        """Takes any event of the conversation; returns the user who begins to type by it, or nobody."""
        user = event.get("user") or ""
        if event["type"] == "typing" and event["typing"]:
            begins = user not in self.now(now_s)
            self._until_s[user] = now_s + event["expires_ms"] / 1000
            return user if begins else ""
        if event["type"] in {"typing", "message.created", "member.left"}:
            self._until_s.pop(user, None)
        return ""

    def now(self, now_s: float) -> list[str]:
        """Who types at this moment."""
        self._until_s = {user: until for user, until in self._until_s.items() if until > now_s}
        return sorted(self._until_s)


class OwnTyping:
    """What others are to be told of the line that is typed here."""

    def __init__(self) -> None:
        self._line = ""
        self._changed_s = self._told_s = float("-inf")
        self._typing = False

    def told(self, line: str, now_s: float) -> bool | None:
        """Takes the line as it stands; True: tell that one types, False: that one stopped, None: nothing."""
        if line != self._line:
            self._line, self._changed_s = line, now_s
        # What is typed is no message where it is a command.
        if line and not line.startswith("/") and now_s - self._changed_s < PAUSE_S:
            return self._types(now_s)
        typed, self._typing = self._typing, False
        return False if typed else None

    def said(self) -> None:
        """The line was said, which tells others by itself that one does not type any more."""
        self._line, self._typing = "", False

    def _types(self, now_s: float) -> bool | None:
        if self._typing and now_s - self._told_s < AGAIN_S:
            return None
        self._typing, self._told_s = True, now_s
        return True
