"""Lines of a process's log as a test reads them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def lines_of(log: Path | str) -> list[Line]:
    """Every line, parsed; what is no JSON fails."""
    text = log.read_text(errors="replace") if isinstance(log, Path) else log
    return [json.loads(line) for line in text.splitlines()]


def told(lines: Iterable[Line], least: str = "info") -> list[Line]:
    """Those of this level and above."""
    levels = ("debug", "info", "warning", "error", "critical")
    return [line for line in lines if levels.index(line["level"]) >= levels.index(least)]


def events(lines: Iterable[Line], **facts: Any) -> list[str]:
    """The phrases of those lines that hold these facts, in order."""
    return [line["event"] for line in lines if facts.items() <= line.items()]
