"""Writes the chart's files: `python -m observability`; with `--check` it tells which are stale."""

from __future__ import annotations

import sys
from pathlib import Path

from observability import rules, runbook
from observability.dashboards import BOARDS
from observability.grafana import written

FILES = Path(__file__).parents[1] / "charts/continuo/files"


def wanted() -> dict[Path, str]:
    """Every file that is made here, with its text."""
    boards = {FILES / f"dashboards/{board.name}.json": written(board) for board in BOARDS}
    return {FILES / "rules.yaml": rules.written(), runbook.FILE: runbook.written(), **boards}


def main() -> int:
    """Return 1 if `--check` finds a file that is not as it would be written, or one that nobody makes."""
    files = wanted()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text]
    stale += [path for path in (FILES / "dashboards").glob("*") if path not in files]
    if "--check" in sys.argv[1:]:
        for path in stale:
            sys.stderr.write(f"{path.name} is not what observability/ says: run `make docs`\n")
        return 1 if stale else 0
    for path in stale:
        path.unlink(missing_ok=True)
        if path in files:
            path.parent.mkdir(exist_ok=True)
            path.write_text(files[path], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
