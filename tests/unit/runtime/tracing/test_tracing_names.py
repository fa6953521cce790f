"""The table of spans keeps to OpenTelemetry's conventions, and shells keep to the table."""

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.semconv import attributes as stable
from opentelemetry.semconv._incubating import attributes as incubating
from opentelemetry.trace import SpanKind

from services.shared.runtime.tracing import names

HOUSE = Path(__file__).parents[4]
OF_CALLS = {"row", "parent", "links", "started_ns"}
ROWS = {name: row for name, row in vars(names).items() if isinstance(row, names.SpanRow)}


def conventional() -> set[str]:
    """Every attribute that the conventions know."""
    known = set()
    for package in (stable, incubating):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            said = vars(importlib.import_module(module.name))
            known |= {value for name, value in said.items() if name.isupper() and isinstance(value, str)}
    return known


def test_what_is_not_our_own_is_named_as_the_conventions_name_it():
    named = {one.key for one in names.ATTRIBUTES.values()} | {names.ERROR, names.LATE}
    named |= {key for row in names.table() for key, _ in row.always}
    assert {key for key in named if not key.startswith("continuo.")} - conventional() == set()
    assert len({one.key for one in names.ATTRIBUTES.values()}) == len(names.ATTRIBUTES)


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_a_row_is_whole(row: names.SpanRow):
    assert row.kind in SpanKind.__members__
    assert row.service in ("connection", "conversation")
    assert row.attributes
    assert set(row.attributes) <= set(names.ATTRIBUTES)
    assert len(set(row.attributes)) == len(row.attributes)
    assert not set(row.attributes) & OF_CALLS
    for wanted in (row.identified_by, row.named_by and row.named_by[1]):
        assert wanted is None or wanted in row.attributes


def test_every_step_of_the_path_has_its_span():
    steps = {step for row in names.table() for step in row.step.split(", ")}
    assert steps == {str(step) for step in range(1, 11)}


def test_names_are_told_apart():
    assert len({row.name for row in names.table()}) == len(ROWS)


def breaches(source: str) -> Iterator[str]:
    """Spans and attributes that a module names otherwise than the table."""
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        if not isinstance(call.func, ast.Attribute):
            continue
        said = {keyword.arg for keyword in call.keywords if keyword.arg} - OF_CALLS
        if call.func.attr == "set" and said:
            yield from said - set(names.ATTRIBUTES)
        elif call.func.attr in ("span", "begin") and (row := row_of(call)):
            yield from said - set(ROWS[row].attributes) if row in ROWS else {row}


def row_of(call: ast.Call) -> str:
    first = call.args[0] if call.args else None
    named = (
        isinstance(first, ast.Attribute) and isinstance(first.value, ast.Name) and first.value.id == "spans"
    )
    return first.attr if named else ""


def test_a_wrong_name_would_be_found():
    wrong = "tracing.span(spans.SEND, p, mesage='m', code=0).set(trns=1, turns=2)\nt.begin(spans.NONE)"
    assert sorted(breaches(wrong)) == ["NONE", "mesage", "trns"]
    assert list(breaches("with tracing.span(spans.SEND, parent='', message='m'): metrics.up.set(1)")) == []


@pytest.mark.parametrize("service", ["connection", "conversation", "presence", "shared"])
def test_shells_name_spans_and_attributes_by_the_table(service: str):
    found = {
        str(module.relative_to(HOUSE)): wrong
        for module in (HOUSE / "services" / service).rglob("*.py")
        if (wrong := sorted(breaches(module.read_text())))
    }
    assert found == {}
