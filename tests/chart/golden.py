"""The documented installs as they render, word for word: `python -m tests.chart.golden` writes them anew."""

from __future__ import annotations

from pathlib import Path

from tests.support.chart import INSTALLS, render, written

FOLDER = Path(__file__).parent / "golden"


def main() -> None:
    for name, values in INSTALLS.items():
        (FOLDER / f"{name}.yaml").write_text(written(render(values)), encoding="utf-8")


if __name__ == "__main__":
    main()
