"""What is new on the screen: the difference between the log shown and the log now, as text to add.

Called by the chat. Pure. A terminal can only add: what was shown and is no longer true is said so, never
silently left standing.
"""

from collections.abc import Sequence

from services.local.render import Line


class View:
    """One conversation on one terminal. `mine` are messages typed here, which stand on the screen already."""

    def __init__(self) -> None:
        self.mine: set[str] = set()
        self._shown: set[str] = set()
        self._speaking: Line | None = None
        self._begun: dict[str, str] = {}

    def news(self, lines: Sequence[Line]) -> str:
        """The text to add so that the screen tells `lines`; ends in the middle of a line while somebody
        speaks.
        """
        told = self._vanished(lines)
        for line in lines:
            told += self._finished(line) if line.finished else self._unfinished(line)
        return told

    def behind(self, lines: Sequence[Line]) -> bool:
        """Whether a finished message was not shown yet."""
        return any(line.finished and line.message not in self._shown | self.mine for line in lines)

    def _vanished(self, lines: Sequence[Line]) -> str:
        speaking = self._speaking
        if speaking is None or any(line.message == speaking.message for line in lines):
            return ""
        self._speaking = None
        return " [taken back]\n"

    def _finished(self, line: Line) -> str:
        if line.message in self._shown:
            return ""
        self._shown.add(line.message)
        begun = self._begun.pop(line.message, None)
        if self._speaking is not None and self._speaking.message == line.message:
            self._speaking = None
            return _rest(begun or "", line) + "\n"
        if line.message in self.mine:
            return ""
        return self._break() + f"{line.author}: {line.text}\n"

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


def _rest(begun: str, line: Line) -> str:
    if line.text.startswith(begun):
        return line.text[len(begun) :]
    return f" [said anew]\n{line.author}: {line.text}"
