"""The rules as Prometheus reads them: what is recorded from the objectives, and the alerts. Plain data."""

from __future__ import annotations

from typing import Any

import yaml

from observability.alerts import ALERTS, Alert
from observability.objectives import LONG, OBJECTIVES, SHORT, Objective

COUNTED = ("1h", "6h", "1d", "3d")
"""Windows of which the number of the bad is recorded too: the long one of each pair."""
HEAD = "# Made from observability/ by `make docs`; change it there.\n"
SECONDS = {"m": 60, "h": 3600, "d": 86400}

Group = dict[str, Any]


def seconds(window: str) -> int:
    """A window in seconds."""
    return int(window[:-1]) * SECONDS[window[-1]]


def recorded(objective: Objective, window: str) -> list[dict[str, str]]:
    """The share of the bad, which is not there while there was nothing at all; and their number."""
    bad, total = objective.bad(window), objective.total(window)
    rules = [{"record": objective.ratio(window), "expr": f"{bad} / ({total} > 0)"}]
    if window in COUNTED:
        rules.append({"record": objective.count(window), "expr": f"{bad} * {seconds(window)}"})
    return rules


def groups() -> list[Group]:
    """All groups, the recording ones first: alerts read what these wrote."""
    found: list[Group] = [
        {"name": "continuo.slo.short", "interval": "30s", "rules": _windows(SHORT)},
        {"name": "continuo.slo.long", "interval": "3m", "rules": _windows(LONG)},
    ]
    for name in dict.fromkeys(alert.group for alert in ALERTS):
        rules = [_alert(alert) for alert in ALERTS if alert.group == name]
        found.append({"name": name, "interval": "30s", "rules": rules})
    return found


def _windows(windows: tuple[str, ...]) -> list[dict[str, str]]:
    return [rule for objective in OBJECTIVES for window in windows for rule in recorded(objective, window)]


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.lasts,
        "labels": {"severity": alert.severity, **alert.labels},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": alert.page,
        },
    }


def written() -> str:
    """The file's text."""
    return HEAD + yaml.safe_dump({"groups": groups()}, sort_keys=False, width=110, allow_unicode=True)
