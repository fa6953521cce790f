"""Who set which field: the managedFields of an object, and server-side apply, which rests on them. Pure.

A field is a path of keys to a leaf. Lists are leaves, but for those that Kubernetes merges by a key of their
items.
"""

import json
from typing import Any

from tests.cluster.errors import conflict
from tests.cluster.objects import Object, copied

Path = tuple[str, ...]
_KEYED = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "conditions": "type",
}
_NOBODYS = {"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "name", "namespace",
            "deletionTimestamp", "deletionGracePeriodSeconds"}  # fmt: skip


def fields_of(thing: Object) -> dict[Path, Any]:
    """Every leaf somebody can own, with its value."""
    found: dict[Path, Any] = {}
    for key, value in thing.items():
        if key == "metadata":
            _gather({k: v for k, v in value.items() if k not in _NOBODYS}, (f"f:{key}",), key, found)
        elif key not in {"apiVersion", "kind"}:
            _gather(value, (f"f:{key}",), key, found)
    return found


def _gather(value: Any, path: Path, name: str, found: dict[Path, Any]) -> None:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            _gather(item, (*path, f"f:{key}"), key, found)
    elif isinstance(value, list) and name in _KEYED and value:
        for item in value:
            label = json.dumps({_KEYED[name]: item[_KEYED[name]]}, separators=(",", ":"))
            _gather(item, (*path, f"k:{label}"), "", found)
    else:
        found[path] = value


def owned_paths(entry: Object) -> set[Path]:
    """The paths of one entry of managedFields."""
    found: set[Path] = set()
    _walk(entry["fieldsV1"], (), found)
    return found


def _walk(tree: Object, path: Path, found: set[Path]) -> None:
    if not tree and path:
        found.add(path)
    for key, inner in tree.items():
        _walk(inner, (*path, key), found)


def _tree(paths: set[Path]) -> Object:
    tree: Object = {}
    for path in sorted(paths):
        place = tree
        for key in path:
            place = place.setdefault(key, {})
    return tree


def written(old: Object | None, new: Object, manager: str, stamp: str, subresource: str = "") -> Object:
    """`new`, with what differs from `old` owned by the manager as an Update, and by nobody else any more."""
    before, after = fields_of(old) if old else {}, fields_of(new)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    lost = changed | {path for path in before if path not in after}
    if not lost:
        return new
    entries = _without(new["metadata"].get("managedFields", []), lost)
    return _with_entry(new, entries, changed, manager, stamp, "Update", subresource, keep=True)


def applied(
    stored: Object, wanted: Object, manager: str, stamp: str, *, force: bool, subresource: str = ""
) -> Object:
    """Server-side apply.

    Raises ApiError 409 where another manager owns a field with another value, unless forced.

    A field that this manager applied before and leaves out now goes, unless somebody else owns it as well.
    """
    entries = stored["metadata"].get("managedFields", [])
    wish, now = fields_of(wanted), fields_of(stored)
    quarrels = {path for path, value in wish.items() if path in now and now[path] != value}
    _refuse(entries, quarrels, manager, subresource, force=force)
    own = next((each for each in entries if _is(each, manager, "Apply", subresource)), None)
    others = [each for each in entries if each is not own]
    dropped = (owned_paths(own) if own else set()) - set(wish)
    dropped = {path for path in dropped if not any(path in owned_paths(each) for each in others)}
    result = overlaid(_cut(stored, dropped), wanted)
    return _with_entry(result, _without(others, quarrels), set(wish), manager, stamp, "Apply", subresource)


def _refuse(
    entries: list[Object], quarrels: set[Path], manager: str, subresource: str, *, force: bool
) -> None:
    for each in entries:
        if force or _is(each, manager, "Apply", subresource):
            continue
        if both := owned_paths(each) & quarrels:
            field = ".".join(part.removeprefix("f:") for part in min(both))
            raise conflict(f'Apply failed with 1 conflict: conflict with "{each["manager"]}": .{field}')


def _is(entry: Object, manager: str, operation: str, subresource: str) -> bool:
    found = (entry["manager"], entry["operation"], entry.get("subresource", ""))
    return found == (manager, operation, subresource)


def _without(entries: list[Object], paths: set[Path]) -> list[Object]:
    kept = [{**each, "fieldsV1": _tree(owned_paths(each) - paths)} for each in entries]
    return [each for each in kept if each["fieldsV1"]]


def _with_entry(
    thing: Object,
    entries: list[Object],
    paths: set[Path],
    manager: str,
    stamp: str,
    operation: str,
    subresource: str,
    *,
    keep: bool = False,
) -> Object:
    rest = [each for each in entries if not _is(each, manager, operation, subresource)]
    if keep:
        for each in entries:
            paths = paths | (owned_paths(each) if each not in rest else set())
    entry = {"manager": manager, "operation": operation, "apiVersion": thing["apiVersion"], "time": stamp}
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": _tree(paths)}
    entry |= {"subresource": subresource} if subresource else {}
    added = [entry] if paths else []
    return {**thing, "metadata": {**thing["metadata"], "managedFields": [*rest, *added]}}


def _cut(thing: Object, paths: set[Path]) -> Object:
    result = copied(thing)
    for path in paths:
        holder: Any = result
        for part in path[:-1]:
            holder = _member(holder, part)
            if holder is None:
                break
        if isinstance(holder, dict):
            holder.pop(path[-1].removeprefix("f:"), None)
    return dict(result)


def _member(holder: Any, part: str) -> Any:
    if part.startswith("f:"):
        return holder.get(part[2:]) if isinstance(holder, dict) else None
    ((key, value),) = json.loads(part[2:]).items()
    return next((item for item in holder if item.get(key) == value), None)


def overlaid(target: Any, wanted: Any, name: str = "") -> Any:
    """The target with `wanted` laid over it, lists with keys merged by them:

    Also what a strategic merge does.
    """
    if isinstance(wanted, dict) and isinstance(target, dict):
        return {**target, **{key: overlaid(target.get(key), value, key) for key, value in wanted.items()}}
    if isinstance(wanted, list) and isinstance(target, list) and name in _KEYED:
        key = _KEYED[name]
        had = {item[key]: item for item in target}
        for item in wanted:
            had[item[key]] = overlaid(had.get(item[key]), item)
        return list(had.values())
    return copied(wanted)
