"""What the chat's commands are given in unit tests: a terminal and a device that keep what is done."""

from typing import Any


class Paper:
    """A terminal that keeps what is written."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def note(self, text: str) -> None:
        self.text += f"* {text}\n"


class Caller:
    """A device that keeps what is called, and answers from a list."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def call(self, method: str, arguments: dict[str, Any]) -> Any:
        self.calls.append((method, arguments))
        return self.answers.pop(0) if self.answers else {}
