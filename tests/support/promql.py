"""Reads the names of metrics out of expressions; enough for ours, `continuo...` and `process_...`."""

import re
from collections.abc import Iterable

from prometheus_client import Counter, Histogram

from observability.rules import groups
from services.shared.runtime.metrics import PREFIX, Metrics

NAME = re.compile(r"\b((?:continuo|process)_\w+|continuo:[\w:]+|ALERTS|up)\b")
LABELS = re.compile(r"\b(continuo_\w+)(?=\{([^}]*)\})")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
TARGETS = {"job", "instance", "le"}
"""Labels that every series may have."""
ELSEWHERE = {"ALERTS", "up", "process_cpu_seconds_total", "process_resident_memory_bytes"}


def names(expr: str) -> set[str]:
    """Every series that an expression names."""
    return set(NAME.findall(re.sub(r'"[^"]*"', '""', expr)))


def matched(expr: str) -> Iterable[tuple[str, set[str]]]:
    """Each metric with the labels that are asked for in its braces."""
    for metric, inside in LABELS.findall(expr):
        yield metric, set(MATCHER.findall(inside))


def labels_of() -> dict[str, set[str]]:
    """Every series there is, of the table and of the recording rules, with its labels."""
    found: dict[str, set[str]] = {name: set() for name in ELSEWHERE}
    for row in Metrics.table():
        ends = {Counter: ("_total",), Histogram: ("_bucket", "_count", "_sum")}.get(row.kind, ("",))
        found |= {f"{PREFIX}{row.name}{end}": set(row.labels) for end in ends}
    recorded = [rule["record"] for group in groups() for rule in group["rules"] if "record" in rule]
    return found | {name: set() for name in recorded}
