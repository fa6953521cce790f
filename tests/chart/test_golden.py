"""The three documented installs, word for word. After a wished change: `python -m tests.chart.golden`."""

import pytest

from tests.chart.golden import FOLDER
from tests.support.chart import INSTALLS, render, written


@pytest.mark.parametrize("name", INSTALLS)
def test_it_renders_as_it_was_written_down(name: str) -> None:
    assert written(render(INSTALLS[name])) == (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
