"""Writes what is made from the chart: its README's table of values, and docs/kubernetes.md's of edges.

`make docs` writes them; `make check` runs this with `--check`, which fails when a page is not what the chart
says.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
CHART = HERE.parent / "charts" / "continuo"
BEGIN = "<!-- made by `make docs` from {source}: begin -->\n"
END = "<!-- end -->\n"

PARTIES = {
    "clients": "clients (the gateway)",
    "backends": "your back ends",
    "prometheus": "Prometheus",
    "dns": "the cluster's names",
    "apiServer": "the Kubernetes API",
    "redisOutside": "your Redis",
    "jwks": "the tokens' issuer",
    "models": "models and tools",
    "otlp": "the collector of traces",
    "redis": "redis (development)",
    "tools": "tools (test, backup)",
}
CONDITIONS = {
    "always": "",
    "api": "api.existingSecret",
    "operator": "operator.enabled",
    "prometheus": "networkPolicy.parties.prometheus.enabled",
    "redisInside": "redis.development.enabled",
    "redisOutside": "not redis.development.enabled",
    "jwks": "tokens.jwksUrl",
    "models": "networkPolicy.parties.models.enabled",
    "otlp": "tracing.endpoint or networkPolicy.parties.otlp.enabled",
}


def values_table() -> str:
    """Every value with its default and meaning, in the order of the schema."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = _yaml("values.yaml")
    rows = [
        f"| `{path}` | {_kind(one)} | {_default(default)} | {_cell(one['description'])} |\n"
        for path, one, default in _values(schema, schema, values, "")
        if path != "global"
    ]
    return "| value | is | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def edges_table() -> str:
    """Who opens connections to whom."""
    rows = []
    for edge in _yaml("edges.yaml"):
        ports = "party" if edge["ports"] == "party" else ", ".join(str(port) for port in edge["ports"])
        shown = f"`networkPolicy.parties.{edge['to']}.ports`" if ports == "party" else ports
        when = f"`{CONDITIONS[edge['when']]}`" if CONDITIONS[edge["when"]] else "always"
        rows.append(f"| {_party(edge['from'])} | {_party(edge['to'])} | {shown} | {edge['why']} | {when} |\n")
    return "| from | to | ports | why | when |\n|---|---|---|---|---|\n" + "".join(rows)


PAGES = (
    (CHART / "README.md", "values.schema.json", values_table),
    (HERE / "kubernetes.md", "charts/continuo/edges.yaml", edges_table),
)


def _yaml(name: str) -> Any:
    return yaml.safe_load((CHART / name).read_text(encoding="utf-8"))


def _values(
    root: dict[str, Any], schema: dict[str, Any], values: Any, prefix: str
) -> Iterator[tuple[str, Any, Any]]:
    """Each value that has no further ones inside: path, schema, default."""
    for name, reference in schema["properties"].items():
        one = _resolved(root, reference)
        default = values.get(name) if isinstance(values, dict) else None
        if one.get("type") == "object" and "properties" in one and "$ref" not in reference:
            yield from _values(root, one, default, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", one, default


def _resolved(root: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in one:
        return one
    return {**root["$defs"][one["$ref"].rsplit("/", 1)[1]], **one}


def _kind(one: dict[str, Any]) -> str:
    if "enum" in one:
        return " or ".join(word for word in one["enum"] if word)
    if "anyOf" in one:
        return "number or %"
    words = {
        "string": "text",
        "integer": "number",
        "number": "number",
        "boolean": "true or false",
        "array": "list",
        "object": "map",
    }
    return words[one["type"]]


def _default(value: Any) -> str:
    if value in ("", [], {}) and not isinstance(value, bool | int):
        return "none"
    text = str(value) if isinstance(value, str) else json.dumps(value)
    return f"`{_cell(text)}`"


def _party(name: str) -> str:
    return PARTIES.get(name, name)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _filled(page: str, source: str, table: str) -> str:
    """The page with what is between its marks made anew. Raises ValueError when the marks are missing."""
    begin = BEGIN.format(source=source)
    head, found, rest = page.partition(begin)
    _, closed, tail = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"no place for what is made from {source}")
    return f"{head}{begin}\n{table}\n{END}{tail}"


def main() -> int:
    """Return 1 if `--check` finds a page that is not as it would be written."""
    checking = "--check" in sys.argv
    stale = []
    for path, source, make in PAGES:
        now = path.read_text(encoding="utf-8")
        new = _filled(now, source, make())
        if new != now and checking:
            stale.append(path.name)
        elif new != now:
            path.write_text(new, encoding="utf-8")
    if stale:
        print(f"not what the chart says: {', '.join(stale)}; run make docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
