"""What the API says it serves: the questions a client asks before its first list."""

from tests.cluster.kinds import ALL, Kind
from tests.cluster.objects import Object

_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def discovered(path: str) -> Object | None:
    """The answer to a question of discovery; None: it is none."""
    parts = [part for part in path.split("/") if part]
    if parts == ["version"]:
        return {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"]}
    if parts == ["apis"]:
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups()}
    if parts == ["api", "v1"]:
        return _resources("v1", [each for each in ALL if not each.group])
    if parts[:1] == ["apis"] and len(parts) == 3:
        served = [each for each in ALL if each.api_version == f"{parts[1]}/{parts[2]}"]
        return _resources(f"{parts[1]}/{parts[2]}", served) if served else None
    return None


def _groups() -> list[Object]:
    found = {}
    for each in ALL:
        if each.group:
            version = {"groupVersion": each.api_version, "version": each.version}
            found[each.group] = {"name": each.group, "versions": [version], "preferredVersion": version}
    return list(found.values())


def _resources(group_version: str, kinds: list[Kind]) -> Object:
    entries = []
    for each in kinds:
        entry = {"name": each.plural, "kind": each.kind, "namespaced": each.namespaced, "verbs": _VERBS}
        entries.append({**entry, "singularName": each.kind.lower()})
        entries += [
            {"name": f"{each.plural}/{part}", "kind": each.kind, "namespaced": each.namespaced,
             "singularName": "", "verbs": ["get", "patch", "update"]}
            for part in sorted(each.subresources)
        ]  # fmt: skip
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": entries,
    }
