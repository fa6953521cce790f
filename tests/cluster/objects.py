"""Objects of Kubernetes as plain JSON:

Copying, reading, labels. Whoever holds one never changes it in place.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Object = dict[str, Any]


def copied(value: Any) -> Any:
    """A copy that shares nothing that can change."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def at(thing: Any, *path: str, default: Any = None) -> Any:
    """What lies at the path; `default` where anything on it is missing."""
    for name in path:
        if not isinstance(thing, dict) or thing.get(name) is None:
            return default
        thing = thing[name]
    return thing


def name_of(thing: Object) -> str:
    return str(thing["metadata"]["name"])


def namespace_of(thing: Object) -> str:
    return str(thing["metadata"].get("namespace", ""))


def uid_of(thing: Object) -> str:
    return str(thing["metadata"]["uid"])


def labels_of(thing: Object) -> dict[str, str]:
    return at(thing, "metadata", "labels", default={})


def annotations_of(thing: Object) -> dict[str, str]:
    return at(thing, "metadata", "annotations", default={})


def is_going(thing: Object) -> bool:
    """Whether its deletion has begun."""
    return at(thing, "metadata", "deletionTimestamp") is not None


def controller_of(thing: Object) -> str | None:
    """The uid of what controls it."""
    for owner in at(thing, "metadata", "ownerReferences", default=[]):
        if owner.get("controller"):
            return str(owner["uid"])
    return None


def owner_reference(owner: Object) -> Object:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def condition(thing: Object, kind: str) -> Object | None:
    """The condition of that type in the status."""
    for each in at(thing, "status", "conditions", default=[]):
        if each["type"] == kind:
            return dict(each)
    return None


def is_ready(pod: Object) -> bool:
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


def is_active(pod: Object) -> bool:
    """Whether a ReplicaSet counts it: neither ended nor going."""
    return at(pod, "status", "phase") not in {"Succeeded", "Failed"} and not is_going(pod)


def with_condition(conditions: Iterable[Object], new: Object, stamp: str) -> list[Object]:
    """The conditions with `new` put in; its time of transition moves only when its status does."""
    kept = [each for each in conditions if each["type"] != new["type"]]
    old = next((each for each in conditions if each["type"] == new["type"]), None)
    since = old["lastTransitionTime"] if old and old["status"] == new["status"] else stamp
    return [*kept, {**new, "lastTransitionTime": since}]


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector (matchLabels, matchExpressions) takes these labels; none takes nothing."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _expression_holds(each, labels) for each in selector.get("matchExpressions") or []
    )


def _expression_holds(each: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, operator, values = each["key"], each["operator"], each.get("values") or []
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    return (labels.get(key) in values) == (operator == "In")


def text_selects(selector: str, labels: Mapping[str, str]) -> bool:
    """The same for a selector as it stands in a URL: `a=b,c!=d,e,!f,g in (h,i)`."""
    return all(_term_holds(term.strip(), labels) for term in _terms(selector) if term.strip())


def _terms(selector: str) -> list[str]:
    terms, depth, start = [], 0, 0
    for index, sign in enumerate(selector):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            terms.append(selector[start:index])
            start = index + 1
    return [*terms, selector[start:]]


def _term_holds(term: str, labels: Mapping[str, str]) -> bool:
    for word in (" notin ", " in "):
        if word in term:
            key, _, rest = term.partition(word)
            values = {value.strip() for value in rest.strip().strip("()").split(",")}
            return (labels.get(key.strip()) in values) == (word == " in ")
    if "!=" in term:
        key, _, value = term.partition("!=")
        return labels.get(key.strip()) != value.strip()
    if "=" in term:
        key, _, value = term.replace("==", "=").partition("=")
        return labels.get(key.strip()) == value.strip()
    return term[1:] not in labels if term.startswith("!") else term in labels
