"""Notes of a campaign: one JSON line each, written at once: a killed process loses half a line at most.

Written by devices, by the campaign's graph and by the campaign itself; read by `history`.
"""

import json
import time
from pathlib import Path
from typing import Any


class Notes:
    """A file of notes, appended to."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("ab", buffering=0)

    def write(self, kind: str, **facts: Any) -> None:
        """Note something that happened just now."""
        line = json.dumps({"t": time.time(), "kind": kind, **facts}, ensure_ascii=False) + "\n"
        self._file.write(line.encode())

    def close(self) -> None:
        """Write no more."""
        self._file.close()
