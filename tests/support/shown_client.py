"""The Python that docs/clients.md shows, as it stands there."""

import re
from pathlib import Path
from types import ModuleType

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"


def shown() -> ModuleType:
    """The page's Python, as a module."""
    found = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    module = ModuleType("shown")
    exec(compile("\n".join(found), str(PAGE), "exec"), module.__dict__)
    return module
