"""The Python that docs/clients.md shows, as it stands there."""

import re
from pathlib import Path
from types import ModuleType

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"


def shown() -> ModuleType:
    """The page's Python, as a module."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    module = ModuleType("shown")
    exec(compile(found[1], str(PAGE), "exec"), module.__dict__)
    return module
