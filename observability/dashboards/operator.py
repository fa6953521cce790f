"""Operator and fleet: is anybody minding it, and what does the fleet look like?"""

from __future__ import annotations

from observability.panels import Board, Bounds, Query, Row, lines, number
from observability.queries import ended, most, quantile, risen, series, total

BOARD = Board(
    "operator",
    "Continuo: operator and fleet",
    "The operator that owns the number of connection pods, and the fleets it minds. Empty where it is not "
    "installed.",
    (
        Row(
            "Is the fleet minded?",
            (
                number(
                    "Operators that lead",
                    "Exactly one holds the Lease. 0: nothing is scaled, rollouts wait out their time.",
                    "none",
                    total("operator_leads"),
                    bounds=Bounds(only=1),
                ),
                number(
                    "Pods wanted",
                    "As the fleet's status says.",
                    "none",
                    most("operator_pods", where='state="desired"'),
                ),
                number(
                    "Pods ready",
                    "As the fleet's status says. Fewer than wanted: pods start, or cannot.",
                    "none",
                    most("operator_pods", where='state="ready"'),
                    bounds=Bounds(2, 1),
                ),
                number(
                    "Pods being emptied",
                    "Taken out of the endpoints and drained, one after the other or in a rollout together.",
                    "none",
                    most("operator_pods", where='state="draining"'),
                    bounds=Bounds(1, 20),
                ),
                number(
                    "Can all drain in time?",
                    "1: the pods that may end together hold more than the fleet's rate closes in time.",
                    "none",
                    most("operator_conditions", where='condition="BudgetInfeasible"'),
                    bounds=Bounds(1, 1),
                ),
                number(
                    "Do all pods answer?",
                    "1: some do not answer on their admin port, so nobody is drained.",
                    "none",
                    most("operator_conditions", where='condition="MetricsStale"'),
                    bounds=Bounds(1, 1),
                ),
            ),
        ),
        Row(
            "What does the fleet look like?",
            (
                lines(
                    "How many pods are there, and how many are wanted?",
                    "Wanted, ready, draining. They meet at rest.",
                    "none",
                    Query(series("operator_pods"), "{{fleet}} {{state}}"),
                    span=12,
                ),
                lines(
                    "Which conditions are true?",
                    "Ready and ScalingActive belong there. MetricsStale, ScaleConflict, BudgetInfeasible and "
                    "VictimMismatch do not: `kubectl describe connectionfleet` has the message.",
                    "none",
                    Query(series("operator_conditions") + " == 1", "{{fleet}} {{condition}}"),
                    span=12,
                ),
            ),
        ),
        Row(
            "What does the operator do?",
            (
                lines(
                    "How often does it look?",
                    "Looks at fleets. Every two seconds for each, and sooner when something changes.",
                    "cps",
                    Query(ended("operator_loop_seconds"), "looks"),
                    bounds=Bounds(0.3, 0.1),
                ),
                lines(
                    "How long does a look take?",
                    "Gather, decide, apply: 95 %. Pods that are slow to answer make it long.",
                    "s",
                    Query(quantile(0.95, "operator_loop_seconds"), "95 %"),
                    bounds=Bounds(2, 10),
                ),
                lines(
                    "What does it change?",
                    "By effect and outcome. At rest nothing; a failed one is tried again at the next look.",
                    "none",
                    Query(risen("operator_effects", "effect", "outcome"), "{{effect}} {{outcome}}"),
                ),
                lines(
                    "Do looks fail?",
                    "Looks that ended early: the API server did not answer, or the fleet's spec is wrong.",
                    "none",
                    Query(risen("operator_faults"), "faults"),
                    bounds=Bounds(1, 10),
                ),
            ),
        ),
    ),
)
