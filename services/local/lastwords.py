"""Why a process ended, in one line, from the end of its log.

Called by `processes` for every child that died. Pure. Our services log JSON, one fact a line, and go on
logging while they close; the Redis servers and Python itself log text.
"""

import json
from collections.abc import Sequence
from typing import Any

_LOOKED_AT = 60
_REASONS = ("fault", "error", "said", "task", "part", "process")


def reason(lines: Sequence[str]) -> str:
    """The last error a service logged, else the last line of the log."""
    told = [line.strip() for line in lines[-_LOOKED_AT:] if line.strip()]
    for line in reversed(told):
        entry = _entry(line)
        if entry.get("level") in {"error", "critical"}:
            return _sentence(entry)
    if not told:
        return "no output"
    return _sentence(_entry(told[-1])) if _entry(told[-1]) else told[-1]


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _sentence(entry: dict[str, Any]) -> str:
    parts = [str(entry.get("event", ""))]
    parts += [str(entry[key]) for key in _REASONS if entry.get(key)]
    return ": ".join(part for part in parts if part)
