"""The runbook's first page, made from the alerts and their pages: what is here, by how bad it is."""

from __future__ import annotations

import re
from pathlib import Path

from observability.alerts import ALERTS, PAGE, TICKET, Alert

HOUSE = Path(__file__).parents[1]
FILE = HOUSE / "docs/runbook/README.md"
SEEN = "## What users see\n"
HEAD = """\
# Runbook

Made from [alerts.py](../../observability/alerts.py) and the pages by `make docs`. One page for each alert:
what users see, how to confirm, what to do. No alert, and somebody says it is slow:
[from there to the span that is slow](../observability.md#users-say-it-is-slow). Who did what: the
[audit log](../audit.md).

Several at once: the topmost here is the likeliest cause of the others.

In a cluster `continuo doctor`, `audit`, `dead-letters` and `failover` are in each service's image, and ask
the Redis that it uses: `kubectl exec deployment/NAME-presence -- python -m services.local doctor`, or the
same of `NAME-connection` or `NAME-conversation`, whichever runs. `NAME` is the release's full name, as
`kubectl get deployment` shows it. `continuo probe` is typed where a user would be.
"""
SEVERITIES = ((PAGE, "Somebody has to look now"), (TICKET, "Within the day"))
CAUSES = (
    "ContinuoNothingScraped",
    "ContinuoMasters",
    "ContinuoRedisEmptied",
    "ContinuoReplicationFails",
)
"""What makes others fire, in this order; behind them the faults, then the objectives that faults burn."""


def written() -> str:
    """The page's text. Raises ValueError for an alert whose page does not say what users see."""
    return HEAD + "".join(_table(severity, title) for severity, title in SEVERITIES)


def _table(severity: str, title: str) -> str:
    of_it = sorted((alert for alert in ALERTS if alert.severity == severity), key=_order)
    rows = "".join(f"| [{alert.name}]({Path(alert.page).name}) | {_seen(alert)} |\n" for alert in of_it)
    return f"\n## {title}\n\n| alert | what users see |\n|---|---|\n{rows}"


def _order(alert: Alert) -> tuple[int, int]:
    """Causes first, promises that are broken by them last."""
    cause = CAUSES.index(alert.name) if alert.name in CAUSES else len(CAUSES)
    return cause, int("slo" in alert.labels)


def _seen(alert: Alert) -> str:
    """The first sentence of what its page says of users, its links as they are."""
    _, found, rest = (HOUSE / alert.page).read_text("utf-8").partition(SEEN)
    if not found:
        raise ValueError(f"{alert.page} does not say what users see")
    paragraph = " ".join(rest.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.])\s", paragraph, maxsplit=1)[0].replace("|", "\\|")
