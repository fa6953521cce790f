"""The published schema and the structs are one: what either allows, the other reads, field by field."""

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from continuo_operator import crd
from continuo_operator.arithmetic import drain_seconds
from continuo_operator.spec import CONDITIONS, FleetSpec, FleetStatus, read_spec, read_status, written

SCHEMA = crd.schema()
SPEC = SCHEMA["properties"]["spec"]
STATUS = SCHEMA["properties"]["status"]
VALUES = crd.HOUSE / "charts/continuo/values.yaml"
CONTRACT = crd.HOUSE / "docs/design/20261128.kubernetes.md"


def strict(node: dict[str, Any]) -> dict[str, Any]:
    """The schema as an API server takes it: unknown fields are none, `nullable` allows null."""
    closed = copy.deepcopy(node)
    for inner in _nodes(closed):
        if "properties" in inner:
            inner["additionalProperties"] = False
        if inner.pop("nullable", False):
            inner["type"] = [inner["type"], "null"]
    return closed


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("properties", {}).values():
        yield from _nodes(child)
    if "items" in node:
        yield from _nodes(node["items"])


def values(node: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What a schema allows."""
    if "enum" in node:
        return st.sampled_from(node["enum"])
    match node["type"]:
        case "integer":
            return st.integers(node.get("minimum", -5), node.get("maximum", 10**6))
        case "boolean":
            return st.booleans()
        case "array":
            return st.lists(values(node["items"]), max_size=node.get("maxItems", 3))
        case "object":
            required = {name: values(node["properties"][name]) for name in node.get("required", ())}
            optional = {name: values(one) for name, one in node["properties"].items() if name not in required}
            return st.fixed_dictionaries(required, optional=optional)
        case _:
            moment = st.just("2026-11-28T08:00:00Z")
            return moment if node.get("format") == "date-time" else st.text("abc", min_size=1, max_size=9)


VALID_SPEC = jsonschema.Draft202012Validator(strict(SPEC))
VALID_STATUS = jsonschema.Draft202012Validator(strict(STATUS))


@settings(max_examples=50, deadline=None)
@given(values(SPEC))
def test_every_spec_that_the_schema_allows_is_read_and_written_the_same(raw):
    VALID_SPEC.validate(raw)
    spec = read_spec(raw)
    whole = written(spec)
    VALID_SPEC.validate(whole)
    assert read_spec(whole) == spec
    assert _within(raw, whole)


@settings(max_examples=50, deadline=None)
@given(values(STATUS))
def test_every_status_that_the_schema_allows_is_read_and_written_the_same(raw):
    status = msgspec.convert(raw, FleetStatus)
    whole = written(status)
    VALID_STATUS.validate(whole)
    assert msgspec.convert(whole, FleetStatus) == status
    assert _within(raw, whole)


def _within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return all(name in whole and _within(one, whole[name]) for name, one in part.items())
    if isinstance(part, list):
        return len(part) == len(whole) and all(_within(a, b) for a, b in zip(part, whole, strict=True))
    return bool(part == whole)


def test_the_schema_fills_in_the_structs_defaults():
    assert _filled(SPEC, {"deployment": "x"}) == written(FleetSpec(deployment="x"))


def _filled(node: dict[str, Any], value: Any) -> Any:
    """Defaulting as an API server does it: from outside in, also into what a default brought."""
    if not isinstance(value, dict):
        return value
    whole = dict(value)
    for name, inner in node["properties"].items():
        if name not in whole and "default" in inner:
            whole[name] = copy.deepcopy(inner["default"])
        if name in whole:
            whole[name] = _filled(inner, whole[name])
    return whole


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"deployment": ""},
        {"deployment": "x", "replicas": -1},
        {"deployment": "x", "adminPort": 0},
        {"deployment": "x", "scaling": {"headroomPercent": -1}},
        {"deployment": "x", "scaling": {"min": 0}},
        {"deployment": "x", "scaling": {"owner": "Somebody"}},
        {"deployment": "x", "drain": {"podRatePerSecond": 0}},
        {"deployment": "x", "rollout": {"takeoverPercent": 0}},
        {"deployment": "x", "paused": "yes"},
    ],
)
def test_what_the_schema_refuses_the_structs_refuse(raw):
    with pytest.raises(jsonschema.ValidationError):
        VALID_SPEC.validate(raw)
    with pytest.raises(msgspec.ValidationError):
        read_spec(raw)


def test_the_schema_is_structural():
    for node in _nodes(SCHEMA):
        assert "type" in node, node
        assert not {"$ref", "$defs", "anyOf", "title"} & set(node), node


def test_every_cross_check_stands_where_its_fields_are():
    rules = [rule for node in _nodes(SPEC) for rule in node.get("x-kubernetes-validations", ())]
    assert [rule["message"] for rule in rules] == [
        "targetConnectionsPerPod must not be above capacityPerPod",
        "min must not be above max",
        "headroomPercent must not be negative",
        "deadlineSeconds must be longer than propagationSeconds",
        "a full pod cannot be emptied in deadlineSeconds - propagationSeconds at podRatePerSecond",
    ]
    for node in _nodes(SPEC):
        for rule in node.get("x-kubernetes-validations", ()):
            for name in _fields(rule["rule"]):
                assert name in node["properties"], rule


def _fields(rule: str) -> list[str]:
    return [
        word.split(".")[1] for word in rule.replace("(", " ").replace(")", " ").split() if "self." in word
    ]


def test_the_defaults_keep_the_cross_checks():
    spec = FleetSpec(deployment="x")
    drain = spec.drain
    assert spec.scaling.min <= spec.scaling.max
    assert spec.scaling.target_connections_per_pod <= drain.capacity_per_pod
    window = drain.deadline_seconds - drain.propagation_seconds
    assert drain.capacity_per_pod <= drain.pod_rate_per_second * window


def test_the_default_deadline_is_what_the_arithmetic_gives_for_the_other_defaults_everywhere():
    """In the struct, in the schema, in the contract's text, and for what the chart installs by itself."""
    spec, values = FleetSpec(deployment="x"), yaml.safe_load(VALUES.read_text())
    drain = spec.drain
    needed = drain_seconds(
        capacity=drain.capacity_per_pod,
        pod_rate=drain.pod_rate_per_second,
        fleet_rate=drain.fleet_rate_per_second,
        pods=spec.scaling.max,
    )
    assert drain.deadline_seconds == drain.propagation_seconds + needed
    schema = SPEC["properties"]["drain"]
    assert schema["properties"]["deadlineSeconds"]["default"] == drain.deadline_seconds
    assert f"deadlineSeconds: {drain.deadline_seconds}}}" in CONTRACT.read_text()
    for name, default in schema["default"].items():
        assert name == "deadlineSeconds" or values["drain"][name] == default
    assert values["operator"]["scaling"]["max"] == spec.scaling.max


def test_the_file_is_fresh_and_has_what_kubectl_and_autoscalers_need():
    assert crd.main(["--check"]) == 0
    (version,) = yaml.safe_load(crd.FILE.read_text())["spec"]["versions"]
    assert version["subresources"]["scale"] == {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    columns = [column["name"] for column in version["additionalPrinterColumns"]]
    assert columns == ["Desired", "Ready", "Draining", "Conns", "Healthy", "Age"]
    types = STATUS["properties"]["conditions"]["items"]["properties"]["type"]["enum"]
    assert types == list(CONDITIONS)


def test_a_status_that_cannot_be_read_counts_as_never_written():
    assert read_status({"replicas": "many"}) == FleetStatus()
    assert read_status(None) == FleetStatus()
