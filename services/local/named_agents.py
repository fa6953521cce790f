"""Which agents `continuo up` will have, by the setting that its worker reads; none is imported for that.

Called by `continuo up`, so that the line it prints works. Must never fail: what is wrong there the worker
tells.
"""

import json
from pathlib import Path

GRAPHS_VARIABLE = "CONTINUO_GRAPHS"
USUAL = "assistant"
"""Who answers where a conversation was made without naming anybody."""


def for_chat(setting: str) -> str:
    """What to type behind `chat` to be answered: nothing where the usual agent is there, else a name."""
    names = [name for word in setting.split(",") for name in _named(word.strip())]
    return "" if not names or USUAL in names else f" --agents {names[0]}"


def _named(word: str) -> list[str]:
    if not word.endswith(".json"):
        return [word.partition("=")[0]] if word else []
    try:
        return list(json.loads(Path(word).read_text("utf-8"))["graphs"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
