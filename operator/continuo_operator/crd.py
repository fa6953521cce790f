"""Makes charts/continuo/crds/connectionfleet.yaml from `spec`: `python -m continuo_operator.crd [--check]`.

The schema is structural, as Kubernetes wants it: no references, every default written out, null only where a
status field may be absent. Checks across fields are CEL rules, so no webhook is needed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import yaml

from continuo_operator.spec import CONDITIONS, GROUP, KIND, PLURAL, RULES, VERSION, FleetSpec, FleetStatus

HOUSE = Path(__file__).parents[2]
FILE = HOUSE / "charts/continuo/crds/connectionfleet.yaml"
HEADER = "# Made from operator/continuo_operator/spec.py by `make docs`; change it there.\n"
TIMES = frozenset({"countedTime", "lastScaleTime", "lastTransitionTime", "since"})

Schema = dict[str, Any]

COLUMNS = (
    ("Desired", "integer", ".status.desiredReplicas", "Pods that are wanted"),
    ("Ready", "integer", ".status.readyReplicas", "Pods that are ready"),
    ("Draining", "integer", ".status.drainingReplicas", "Pods that are being emptied"),
    ("Conns", "integer", ".status.connections", "Open connections"),
    ("Healthy", "string", '.status.conditions[?(@.type=="Ready")].status', "The Ready condition"),
    ("Age", "date", ".metadata.creationTimestamp", ""),
)


def definition() -> Schema:
    """The CustomResourceDefinition."""
    names = {
        "kind": KIND,
        "listKind": f"{KIND}List",
        "plural": PLURAL,
        "singular": KIND.lower(),
        "shortNames": ["cfleet"],
        "categories": ["continuo"],
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [_column(*column) for column in COLUMNS],
        "schema": {"openAPIV3Schema": schema()},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def schema() -> Schema:
    """The resource's structural schema."""
    spec = _structural(FleetSpec)
    for rule in RULES:
        _at(spec, rule.at).setdefault("x-kubernetes-validations", []).append(
            {"rule": rule.rule, "message": rule.message}
        )
    status = _without_defaults(_structural(FleetStatus))
    conditions = status["properties"]["conditions"]
    conditions |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    conditions["items"]["properties"]["type"]["enum"] = list(CONDITIONS)
    return {
        "type": "object",
        "description": "A fleet of connection pods: how many there are, how they are emptied and replaced.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    }


def text() -> str:
    """The file as it should be."""
    return HEADER + yaml.safe_dump(definition(), sort_keys=False, width=110, allow_unicode=True)


def main(arguments: list[str]) -> int:
    """Write the file, or with --check say whether it is what the code says: 0 or 1."""
    if "--check" in arguments:
        fresh = FILE.exists() and FILE.read_text() == text()
        if not fresh:
            sys.stderr.write(f"{FILE.relative_to(HOUSE)} is not what spec.py says: run `make docs`\n")
        return 0 if fresh else 1
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text())
    return 0


def _column(name: str, kind: str, path: str, description: str) -> Schema:
    column = {"name": name, "type": kind, "jsonPath": path}
    return column | ({"description": description} if description else {})


def _structural(kind: type[msgspec.Struct]) -> Schema:
    (root,), parts = msgspec.json.schema_components([kind], ref_template="{name}")
    return _inlined(root, parts)


def _inlined(node: Schema, parts: dict[str, Schema]) -> Schema:
    """A schema without references, titles and nulls in unions."""
    node = dict(node)
    while "$ref" in node:
        node = parts[node.pop("$ref")] | node
    node.pop("title", None)
    if "anyOf" in node:
        (real,) = [one for one in node.pop("anyOf") if one.get("type") != "null"]
        node = _inlined(real, parts) | node | {"nullable": True}
    if "enum" in node:
        node.setdefault("type", "string")
    if "items" in node:
        node["items"] = _inlined(node["items"], parts)
    if "properties" in node:
        node["properties"] = {name: _property(name, one, parts) for name, one in node["properties"].items()}
    if node.get("default", "") is None:
        del node["default"]
    if not node.get("required", True):
        del node["required"]
    return node


def _without_defaults(node: Schema) -> Schema:
    """A status is never filled in by the API server: what was not written is not known."""
    kept = {name: value for name, value in node.items() if name != "default"}
    if "properties" in kept:
        kept["properties"] = {name: _without_defaults(one) for name, one in kept["properties"].items()}
    return kept


def _property(name: str, node: Schema, parts: dict[str, Schema]) -> Schema:
    node = _inlined(node, parts)
    if name in TIMES:
        node["format"] = "date-time"
    return node


def _at(node: Schema, path: tuple[str, ...]) -> Schema:
    for name in path:
        node = node["properties"][name]
    return node


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
