"""What is new on the screen: the difference between the log shown and the log now, as text to add.

Called by the chat. Pure. A terminal can only add: what was shown and is no longer true is said so, never
silently left standing.
"""

from collections.abc import Sequence

from services.local.line import Line, named, said


class View:
    """One conversation on one terminal, of `user`. `mine` are messages typed here, which stand on the screen
    already.
    """

    def __init__(self, user: str = "") -> None:
        self.mine: set[str] = set()
        self._user = user
        self._shown: dict[str, Line] = {}
        self._speaking: Line | None = None
        self._begun: dict[str, str] = {}

    def news(self, lines: Sequence[Line]) -> str:
        """The text to add so that the screen tells `lines`; ends in the middle of a line while somebody
        speaks.
        """
        known = {line.message: line for line in lines}
        told = self._vanished(lines)
        for line in lines:
            told += self._finished(line, known) if line.finished else self._unfinished(line)
        return told

    def behind(self, lines: Sequence[Line]) -> bool:
        """Whether a finished message was not shown yet."""
        return any(
            line.finished and line.message not in self._shown and line.message not in self.mine
            for line in lines
        )

    def _vanished(self, lines: Sequence[Line]) -> str:
        speaking = self._speaking
        if speaking is None or any(line.message == speaking.message for line in lines):
            return ""
        self._speaking = None
        return " [taken back]\n"

    def _finished(self, line: Line, known: dict[str, Line]) -> str:
        before = self._shown.get(line.message)
        self._shown[line.message] = line
        if before is not None:
            return self._changed(before, line)
        begun = self._begun.pop(line.message, None)
        if self._speaking is not None and self._speaking.message == line.message:
            self._speaking = None
            return _rest(begun or "", line) + "\n"
        if line.message in self.mine:
            return ""
        return self._break() + said(line, known, self._user) + "\n"

    def _changed(self, before: Line, now: Line) -> str:
        if before == now:
            return ""
        told = "".join(f"* {one}\n" for one in changes(before, now))
        return self._break() + told if told else ""

    def _unfinished(self, line: Line) -> str:
        begun = self._begun.get(line.message)
        if self._speaking is None:
            self._speaking = line
            self._begun[line.message] = line.text
            if begun is None:
                return f"{line.author}: {line.text}"
            return f"{line.author}: ... {_rest(begun, line)}"
        if self._speaking.message != line.message:
            return ""
        self._begun[line.message] = line.text
        return _rest(begun or "", line)

    def _break(self) -> str:
        """Leaves the line of whoever speaks, to go on with them later."""
        if self._speaking is None:
            return ""
        self._speaking = None
        return " ...\n"


def changes(before: Line, now: Line) -> list[str]:
    """What became of a message that was shown, in words."""
    if now.deleted:
        return [] if before.deleted else [f"{now.author} said {named(before)}: it was deleted"]
    told = []
    if now.text != before.text:
        told.append(f"{now.author} says instead of {named(before)}: {now.text}")
    put, taken = now.reactions - before.reactions, before.reactions - now.reactions
    told += [f"{user} puts {kind} to {now.author}'s {named(now)}" for kind, user in sorted(put)]
    told += [f"{user} takes {kind} back from {now.author}'s {named(now)}" for kind, user in sorted(taken)]
    return told


def _rest(begun: str, line: Line) -> str:
    if line.text.startswith(begun):
        return line.text[len(begun) :]
    return f" [said anew]\n{line.author}: {line.text}"
