"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902, the operations in use), pure."""

from typing import Any

from tests.cluster.errors import invalid
from tests.cluster.objects import copied


def merged(target: Any, patch: Any) -> Any:
    """The target with the merge patch laid over it: null takes away, lists are replaced whole."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def operated(target: Any, operations: list[dict[str, Any]]) -> Any:
    """The target after all operations. Raises ApiError 422 where one cannot be done or a test fails."""
    result = copied(target)
    for each in operations:
        result = _operated(result, each)
    return result


def _operated(target: Any, operation: dict[str, Any]) -> Any:
    path = [_unescaped(part) for part in operation["path"].split("/")[1:]]
    if not path:
        raise invalid("the root is no place for an operation here")
    holder = target
    for part in path[:-1]:
        holder = _inside(holder, part, operation["path"])
    _change(holder, path[-1], operation)
    return target


def _change(holder: Any, last: str, operation: dict[str, Any]) -> None:
    kind, path = operation["op"], operation["path"]
    if kind == "test":
        if _inside(holder, last, path) != operation["value"]:
            raise invalid(f"testing value at {path} failed")
    elif kind == "remove":
        _inside(holder, last, path)
        del holder[_key(holder, last)]
    elif kind == "add" and isinstance(holder, list):
        holder.insert(len(holder) if last == "-" else int(last), copied(operation["value"]))
    elif kind in {"add", "replace"}:
        if kind == "replace":
            _inside(holder, last, path)
        holder[_key(holder, last)] = copied(operation["value"])
    else:
        raise invalid(f"no such operation: {kind}")


def _inside(holder: Any, part: str, path: str) -> Any:
    try:
        return holder[_key(holder, part)]
    except (KeyError, IndexError, TypeError, ValueError):
        raise invalid(f"there is nothing at {path}") from None


def _key(holder: Any, part: str) -> Any:
    return int(part) if isinstance(holder, list) else part


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
