"""The alerts, in one table: when, how bad, what it means. Each has a page in docs/runbook.

`page`: somebody has to look now, people notice it. `ticket`: within the day. The burn-rate alerts follow the
multi-window table of Google's SRE workbook: the long window says that it matters, the short one that it goes
on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from observability.objectives import OBJECTIVES, Objective

PAGE, TICKET = "page", "ticket"
LEAST_BAD = 5
"""Fewer bad ones than this in the long window wake nobody: with little traffic one can be a tenth of all."""
OPERATOR = "continuo.operator"
"""The group that only makes sense where the operator runs; the chart leaves it out elsewhere."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One of them. `lasts`: for so long it has to be true."""

    name: str
    expr: str
    severity: str
    summary: str
    description: str
    lasts: str = "0s"
    group: str = "continuo.faults"
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def page(self) -> str:
        """Its runbook page, relative to the project."""
        return f"docs/runbook/{kebab(self.name)}.md"


@dataclass(frozen=True, slots=True)
class Burn:
    """A pace at which the budget of 30 days burns, in two pairs of windows."""

    word: str
    severity: str
    pairs: tuple[tuple[float, str, str], ...]
    """factor, long window, short window."""
    meaning: str


BURNS = (
    Burn("Fast", PAGE, ((14.4, "1h", "5m"), (6, "6h", "30m")), "gone within two to five days"),
    Burn("Slow", TICKET, ((3, "1d", "2h"), (1, "3d", "6h")), "gone before the 30 days are over"),
)


def kebab(name: str) -> str:
    """AlertName -> alert-name."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def burning(objective: Objective, burn: Burn) -> Alert:
    """The alert of one objective at one pace."""
    pairs = [_pair(objective, *pair) for pair in burn.pairs]
    return Alert(
        name=f"Continuo{objective.title}Burns{burn.word}",
        expr="\nor\n".join(pairs),
        severity=burn.severity,
        summary=f"{objective.title}: the error budget burns {burn.word.lower()}",
        description=(
            f"{objective.promise}, in {objective.shown} of all cases. Of those of job {{{{ $labels.job }}}} "
            f"{{{{ $value | humanizePercentage }}}} went wrong: at this pace the budget of 30 days is "
            f"{burn.meaning}."
        ),
        group="continuo.burns",
        labels={"slo": objective.name},
    )


def _pair(objective: Objective, factor: float, long: str, short: str) -> str:
    bound = f"{factor * objective.budget:.6g}"
    return (
        f"({objective.ratio(long)} > {bound} and {objective.ratio(short)} > {bound} "
        f"and {objective.count(long)} >= {LEAST_BAD})"
    )


def _missing(word: str, service: str, effect: str) -> Alert:
    alive = f'count by (job) (continuo_process{{service="{service}"}})'
    return Alert(
        name=f"ContinuoNo{word}",
        expr=f"count by (job) (continuo_process) unless {alive}",
        lasts="1m",
        severity=PAGE,
        summary=f"No {service} process is seen",
        description=(
            f"Prometheus sees {{{{ $value }}}} processes of job {{{{ $labels.job }}}}, and none of the "
            f"{service} service: {effect}."
        ),
    )


def _condition(kind: str) -> str:
    return f'max by (job, fleet) (continuo_operator_conditions{{condition="{kind}"}}) == 1'


FAULTS = (
    Alert(
        name="ContinuoMasters",
        expr="max by (job, name) (continuo_redis_masters) != 1",
        lasts="1m",
        severity=PAGE,
        summary="Redis has {{ $value }} masters",
        description=(
            "{{ $value }} data servers of {{ $labels.name }} answer and call themselves master, for longer "
            "than a failover takes. With none nothing is accepted; with two a write to the wrong one is "
            "lost."
        ),
    ),
    Alert(
        name="ContinuoReplicationFails",
        expr=(
            "sum by (job) (increase(continuo_waits_failed_total[2m])) "
            "+ sum by (job) (increase(continuo_ticks_failed_total[2m])) > 0"
        ),
        lasts="3m",
        severity=PAGE,
        summary="No replica confirms what is written",
        description=(
            "{{ $value | humanize }} writes or ticks of the last 2 minutes were not confirmed by a replica, "
            "for minutes on end. Messages are refused with error 100 and events are shown late."
        ),
    ),
    Alert(
        name="ContinuoRedisEmptied",
        expr="max by (job) (increase(continuo_redis_emptied_total[15m])) > 0",
        severity=PAGE,
        summary="Redis has lost everything it held",
        description=(
            "A process of job {{ $labels.job }} found another life of Redis than the one it knew: it was "
            "flushed, or replaced by an empty one. Conversations, threads and waiting turns are gone."
        ),
    ),
    Alert(
        name="ContinuoPodDeaf",
        expr="max by (job, instance) (continuo_feed_deaf) == 1",
        lasts="1m",
        severity=PAGE,
        summary="{{ $labels.instance }} hears nothing from Redis",
        description=(
            "The live feed of {{ $labels.instance }} has not heard its own probes for a minute, and opening "
            "it anew did not help. Its devices get events late, from the repair road alone."
        ),
    ),
    Alert(
        name="ContinuoDrainStuck",
        expr=(
            "max by (job, instance) (min_over_time(continuo_draining[5m])) == 1 "
            "and on (job, instance) continuo_connections > 0 "
            "and on (job, instance) delta(continuo_connections[5m]) >= 0"
        ),
        lasts="2m",
        severity=TICKET,
        summary="{{ $labels.instance }} drains and nobody leaves",
        description=(
            "{{ $labels.instance }} has been closing its connections for over 5 minutes, and there are not "
            "fewer of them. At its deadline they are cut."
        ),
    ),
    _missing("Worker", "conversation", "messages are accepted and nobody answers them"),
    _missing("Connection", "connection", "nobody can connect"),
    _missing("Presence", "presence", "who is gone stays present, and nobody watches the queue or Redis"),
    Alert(
        name="ContinuoNothingScraped",
        expr="absent(continuo_process)",
        lasts="5m",
        severity=PAGE,
        summary="Prometheus sees no process of Continuo",
        description="No process is scraped: either all are down, or every other alert of Continuo is blind.",
    ),
    Alert(
        name="ContinuoQueueOld",
        expr="max by (job) (continuo_turn_queue_oldest_seconds) > 60",
        lasts="2m",
        severity=PAGE,
        summary="Turns wait for {{ $value | humanizeDuration }}",
        description=(
            "The oldest conversation that waits for a worker has waited for "
            "{{ $value | humanizeDuration }}: there are too few workers, or those there are do not claim."
        ),
    ),
    Alert(
        name="ContinuoDeadLetters",
        expr="max by (job) (continuo_dead_letters) > 0",
        lasts="15m",
        severity=TICKET,
        summary="{{ $value }} turns failed for good",
        description="{{ $value }} failed turns wait for somebody to replay or discard them.",
    ),
    Alert(
        name="ContinuoAuditLost",
        expr="sum by (job) (increase(continuo_audit_lost_total[15m])) > 0",
        severity=TICKET,
        summary="The audit log misses {{ $value | humanize }} entries",
        description=(
            "{{ $value | humanize }} connects or denials of the last 15 minutes are not in the audit log: "
            "Redis did not take them in time. Nobody's message was touched; the log is not whole."
        ),
    ),
    Alert(
        name="ContinuoTracesDropped",
        expr='sum by (job, why) (increase(continuo_traces_dropped_total{why!="ended"}[10m])) > 0',
        lasts="10m",
        severity=TICKET,
        summary="Traces do not arrive: {{ $labels.why }}",
        description=(
            "{{ $value | humanize }} spans of the last 10 minutes did not reach the collector "
            "({{ $labels.why }}), for 10 minutes on end. Messages are not delayed by it; whoever looks for a "
            "slow one finds holes."
        ),
    ),
    Alert(
        name="ContinuoBudgetInfeasible",
        expr=_condition("BudgetInfeasible"),
        lasts="10m",
        severity=TICKET,
        group=OPERATOR,
        summary="Fleet {{ $labels.fleet }} cannot drain at its rate",
        description=(
            "The pods that may end together hold more connections than the fleet's rate closes in time. "
            "Deadlines are kept and the rate is not: the next rollout makes more devices reconnect at once "
            "than was asked for."
        ),
    ),
    Alert(
        name="ContinuoCensusStale",
        expr=_condition("MetricsStale"),
        lasts="5m",
        severity=TICKET,
        group=OPERATOR,
        summary="The operator does not know how full fleet {{ $labels.fleet }} is",
        description=(
            "Pods of {{ $labels.fleet }} do not answer the operator on their admin port. It drains nobody "
            "and takes nothing away until they do."
        ),
    ),
    Alert(
        name="ContinuoOperatorStale",
        expr=(
            "max by (job) (continuo_operator_leads) < 1 "
            "or sum by (job) (increase(continuo_operator_loop_seconds_count[5m])) == 0"
        ),
        lasts="5m",
        severity=TICKET,
        group=OPERATOR,
        summary="Nobody minds the fleet",
        description=(
            "No operator of job {{ $labels.job }} holds the Lease, or the one that does has looked at no "
            "fleet for 5 minutes. Connections go on; nothing is scaled, and rollouts wait out "
            "minReadySeconds."
        ),
    ),
)

ALERTS = (*(burning(objective, burn) for objective in OBJECTIVES for burn in BURNS), *FAULTS)
