"""The chart as the real Helm engine renders it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

CHART = Path(__file__).parents[2] / "charts" / "continuo"

PRODUCTION: dict[str, Any] = {
    "images": {"prefix": "registry.example.org/chat/"},
    "tokens": {"existingSecret": "continuo-tokens"},
    "admin": {"existingSecret": "continuo-admin"},
    "api": {"existingSecret": "continuo-api"},
    "redis": {
        "sentinels": [f"sentinel-{n}.redis.example.org:26379" for n in range(3)],
        "existingSecret": "continuo-redis",
    },
    "httpRoute": {
        "enabled": True,
        "parentRefs": [{"name": "public", "namespace": "gateways"}],
        "hostnames": ["chat.example.org"],
    },
    "podMonitor": {"enabled": True},
}
"""With Redis of one's own, a Gateway and the Prometheus operator."""

DEVELOPMENT: dict[str, Any] = yaml.safe_load(
    (CHART.parents[1] / "k8s" / "values-dev.yaml").read_text(encoding="utf-8")
)
"""All of it on one machine's cluster, as `make kind-up` installs it."""

WITHOUT_OPERATOR: dict[str, Any] = {
    **PRODUCTION,
    "admin": {},
    "api": {},
    "operator": {"enabled": False},
    "connection": {"replicas": 3},
}

INSTALLS = {"production": PRODUCTION, "development": DEVELOPMENT, "without-operator": WITHOUT_OPERATOR}
"""The installs that docs/kubernetes.md describes."""

Object = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """What an install would apply."""

    objects: tuple[Object, ...]
    notes: str

    def of(self, kind: str) -> list[Object]:
        return [one for one in self.objects if one["kind"] == kind]

    def one(self, kind: str, name: str) -> Object:
        [found] = [one for one in self.of(kind) if one["metadata"]["name"] == name]
        return found

    def pods(self) -> Iterator[tuple[str, Object, Object]]:
        """Every pod that can come to be: whose, its metadata, its spec."""
        for one in self.objects:
            name = f"{one['kind']} {one['metadata']['name']}"
            if one["kind"] == "Pod":
                yield name, one["metadata"], one["spec"]
            elif one["kind"] in {"Deployment", "StatefulSet"}:
                template = one["spec"]["template"]
                yield name, template["metadata"], template["spec"] | {"volumes": _volumes(one)}
            elif one["kind"] == "CronJob":
                template = one["spec"]["jobTemplate"]["spec"]["template"]
                yield name, template["metadata"], template["spec"]


def _volumes(one: Object) -> list[Object]:
    """Those of the pod, and those that a StatefulSet claims for each."""
    claims = [claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])]
    claimed = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
    return [*one["spec"]["template"]["spec"].get("volumes", []), *claimed]


def containers(spec: Object) -> list[Object]:
    return [*spec.get("initContainers", []), *spec["containers"]]


@cache
def chart() -> Chart:
    return Chart.load(str(CHART))


def render(values: Mapping[str, Any], *, name: str = "continuo") -> Rendered:
    """Render for a namespace `talk`. It is kept: change a copy. Raises HelmRenderError or HelmValuesError."""
    return _render(json.dumps(values, sort_keys=True), name)


@cache
def _render(values: str, name: str) -> Rendered:
    files = chart().render(json.loads(values), name=name, namespace="talk", revision=1, is_install=True)
    notes = next(text for path, text in files.items() if path.endswith("NOTES.txt"))
    manifests = [text for path, text in sorted(files.items()) if path.endswith(".yaml")]
    objects = [one for text in manifests for one in yaml.load_all(text, yaml.CSafeLoader) if one]
    return Rendered(tuple(objects), notes)


@cache
def crd() -> Object:
    found: Object = yaml.safe_load((CHART / "crds" / "connectionfleet.yaml").read_text(encoding="utf-8"))
    return found


@cache
def default_values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return found


@cache
def edges() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((CHART / "edges.yaml").read_text(encoding="utf-8"))
    return found


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Values over values, maps into maps, as Helm lays `-f` files over each other."""
    both = dict(base)
    for key, value in more.items():
        inner = both.get(key)
        both[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return both


def written(rendered: Rendered) -> str:
    """All of it as one text that says the same whenever the same is rendered, notes first."""
    notes = "".join(f"# {line}".rstrip() + "\n" for line in rendered.notes.strip().splitlines())
    objects = sorted(rendered.objects, key=lambda one: (one["kind"], one["metadata"]["name"]))
    return notes + "".join("---\n" + yaml.safe_dump(one, sort_keys=True, width=120) for one in objects)
