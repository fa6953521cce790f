"""What an API server does with a custom resource by its structural schema: prune, default, refuse."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from tests.cluster.errors import invalid
from tests.cluster.objects import Object, copied

CRDS = Path(__file__).parents[2] / "charts" / "continuo" / "crds"


@cache
def schema_of_fleets() -> dict[str, Any]:
    """The schema of the ConnectionFleet, from the very file that clusters get."""
    for path in sorted(CRDS.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if document and document["spec"]["names"]["kind"] == "ConnectionFleet":
                return dict(document["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    raise FileNotFoundError(f"no ConnectionFleet under {CRDS.name}: make docs writes it")


def settled(schema: dict[str, Any], thing: Object) -> Object:
    """The object pruned and defaulted.

    Raises ApiError 422 where the schema forbids it; CEL rules are not run.
    """
    envelope = {key: thing[key] for key in ("apiVersion", "kind", "metadata") if key in thing}
    kept = {**_settled(schema, copied(thing)), **envelope}
    errors = Draft202012Validator(schema).iter_errors({k: v for k, v in kept.items() if k != "metadata"})
    for error in errors:
        place = "/".join(str(part) for part in error.absolute_path)
        raise invalid(f"{place}: {error.message}")
    return kept


def _settled(schema: dict[str, Any], value: Any) -> Any:
    if isinstance(value, list):
        return [_settled(schema.get("items", {}), each) for each in value]
    properties = schema.get("properties")
    if not isinstance(value, dict) or properties is None:
        return value
    kept = {key: _settled(properties[key], each) for key, each in value.items() if key in properties}
    for key, inner in properties.items():
        if key not in kept and "default" in inner:
            kept[key] = _settled(inner, copied(inner["default"]))
    return kept
