"""What long-term memory takes, and what a search of it finds: the rules of LangGraph's in-memory store.

Called by graph/memory. Values are JSON documents: what comes back equals what was put in, so anything JSON
would change on the way (a tuple, a number as key, a NaN, a date) is refused when it is written.
"""

import math
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

DEEPEST = 100
"""Levels of lists and dicts in a value."""

ANY = "*"
"""Stands for any one label of a namespace."""


def misfit(value: object, path: str = "value", level: int = 0) -> str:
    """Say what in a value is not JSON, and where; "" when all of it is. Never quotes the value."""
    if level > DEEPEST:
        return f"the value is nested more than {DEEPEST} levels deep"
    if value is None or type(value) in {int, bool} or _is_text(value):
        return ""
    if type(value) is float:
        return "" if math.isfinite(value) else f"{path} is not a finite number"
    if isinstance(value, list):
        inner = (misfit(each, f"{path}[{place}]", level + 1) for place, each in enumerate(value))
        return next(filter(None, inner), "")
    if isinstance(value, dict):
        return _misfit_in(value, path, level)
    return f"{path} is a {type(value).__name__}"


def _misfit_in(value: dict[Any, Any], path: str, level: int) -> str:
    for key in value:
        if not _is_text(key):
            return f"a key in {path} is a {type(key).__name__}, not a str"
    inner = (misfit(each, f"{path}.*", level + 1) for each in value.values())
    return next(filter(None, inner), "")


def _is_text(value: object) -> bool:
    """Whether it is a str or equals one, as a message's text does; an Enum's member would come back as its
    value.
    """
    return isinstance(value, str) and not isinstance(value, Enum)


def fits(value: Any, wanted: Any) -> bool:
    """Tell whether a value is what a filter asks for: equal, each named member fits, or every operator
    holds.

    Operators: $eq, $ne, $gt, $gte, $lt, $lte; what is no number is neither greater nor less. Raises
    ValueError for any other.
    """
    if isinstance(wanted, Mapping):
        if any(str(name).startswith("$") for name in wanted):
            return all(_holds(value, name, operand) for name, operand in wanted.items())
        return isinstance(value, Mapping) and all(
            fits(value.get(name), each) for name, each in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        same = isinstance(value, list) and len(value) == len(wanted)
        return same and all(fits(one, other) for one, other in zip(value, wanted, strict=True))
    return bool(value == wanted)


def _holds(value: Any, operator: str, operand: Any) -> bool:
    match operator:
        case "$eq":
            return bool(value == operand)
        case "$ne":
            return bool(value != operand)
        case "$gt" | "$gte" | "$lt" | "$lte":
            return _ordered(value, operator, operand)
        case _:
            raise ValueError(f"a filter knows no operator {operator}")


def _ordered(value: Any, operator: str, operand: Any) -> bool:
    try:
        one, other = float(value), float(operand)
    except (TypeError, ValueError):
        return False
    if operator in {"$gte", "$lte"} and one == other:
        return True
    return one > other if operator in {"$gt", "$gte"} else one < other


def begins(namespace: Sequence[str], path: Sequence[str]) -> bool:
    """Tell whether a namespace begins with a path, in which ANY stands for any label."""
    return len(namespace) >= len(path) and all(
        wanted in {ANY, label} for label, wanted in zip(namespace, path, strict=False)
    )


def ends(namespace: Sequence[str], path: Sequence[str]) -> bool:
    """Tell whether a namespace ends with a path, in which ANY stands for any label."""
    return begins(namespace[::-1], path[::-1])
