"""`make rules-test`: what promtool says of the rules, of each alert's cases, and of a page of metrics.

Needs promtool: `.ci/prometheus` finds or unpacks it and prints its folder.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from observability.alerts import ALERTS, Alert
from observability.rules import groups
from tests.rules.cases import CASES, JOB, Case
from tests.rules.exposition import page

HOUSE = Path(__file__).parents[2]
RULES = HOUSE / "charts/continuo/files/rules.yaml"
BY_NAME = {alert.name: alert for alert in ALERTS}
VALUE = re.compile(r"{{ \$value[^}]*}}")
LABEL = re.compile(r"{{ \$labels\.(\w+) }}")


def said(text: str, labels: dict[str, str], value: str) -> str:
    """An annotation as Prometheus fills it in."""
    return VALUE.sub(lambda _: value, LABEL.sub(lambda found: labels.get(found[1], ""), text))


def expected(case: Case, alert: Alert) -> list[dict[str, Any]]:
    """What promtool is to find: the alert with all labels and annotations, or none."""
    if not case.fires:
        return []
    absent = alert.expr.startswith("absent")
    labels = {} if absent else {"job": JOB}
    labels |= {**case.labels, **alert.labels, "severity": alert.severity}
    texts = {"summary": alert.summary, "description": alert.description}
    annotations = {name: said(text, labels, case.value) for name, text in texts.items()}
    return [{"exp_labels": labels, "exp_annotations": annotations | {"runbook_url": alert.page}}]


def as_test(case: Case) -> dict[str, Any]:
    """One case as promtool reads it."""
    judged = {
        "eval_time": case.at,
        "alertname": case.alert,
        "exp_alerts": expected(case, BY_NAME[case.alert]),
    }
    return {
        "name": f"{case.alert}: {case.why}",
        "interval": case.every,
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [judged],
    }


def files() -> Iterator[tuple[str, dict[str, Any]]]:
    """One test file for each pace of samples: rules are evaluated as often as samples come."""
    for every in sorted({case.every for case in CASES}):
        tests = [as_test(case) for case in CASES if case.every == every]
        yield f"{every}.yaml", whole(every, tests)


def whole(every: str, tests: list[dict[str, Any]]) -> dict[str, Any]:
    """A test file. Groups in their order, which promtool leaves to chance: what is recorded a moment later is
    too late for an alert that looks every half hour.
    """
    order = [group["name"] for group in groups()]
    return {
        "rule_files": [str(RULES)],
        "evaluation_interval": every,
        "group_eval_order": order,
        "tests": tests,
    }


def main() -> int:
    """Return 1 if promtool has anything to say."""
    promtool = str(Path(sys.argv[1]) / "promtool")
    with tempfile.TemporaryDirectory() as folder:
        written = []
        for name, content in files():
            (Path(folder) / name).write_text(yaml.safe_dump(content), encoding="utf-8")
            written.append(str(Path(folder) / name))
        runs = (
            ([promtool, "check", "rules", str(RULES)], ""),
            ([promtool, "test", "rules", *written], ""),
            ([promtool, "check", "metrics"], page()),
        )
        ends = [
            subprocess.run(command, input=given, text=True, check=False).returncode for command, given in runs
        ]
    print(f"{len(CASES)} cases of {len(ALERTS)} alerts: {'well' if not any(ends) else 'not well'}")
    return int(any(ends))


if __name__ == "__main__":
    sys.exit(main())
