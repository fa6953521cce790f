"""Overview: is it well? The objectives, the four signals, who is there."""

from __future__ import annotations

from observability.objectives import OBJECTIVES, Objective
from observability.panels import Board, Bounds, Panel, Query, Row, lines, number
from observability.queries import JOB, most, quantile, rate, recorded, risen, total


def _kept(objective: Objective) -> Panel:
    return number(
        f"{objective.title}: is the promise kept today?",
        f"{objective.promise}; promised in {objective.shown}. The share of the last day that was good. "
        "Nothing is shown where nothing happened. If it is red, the panel below says how fast it goes on.",
        "percentunit",
        f"min(1 - {recorded(objective.ratio('1d'))})",
        bounds=Bounds(warn=objective.share, bad=1 - 2 * objective.budget),
        span=6,
        decimals=3,
    )


def _burns(objective: Objective) -> Query:
    return Query(f"max({recorded(objective.ratio('1h'))}) / {objective.budget:g}", objective.title)


BOARD = Board(
    "overview",
    "Continuo: is it well?",
    "The four signals and the objectives of every release that is chosen above. Start here.",
    (
        Row("Are promises kept?", tuple(map(_kept, OBJECTIVES))),
        Row(
            "Does anybody have to act?",
            (
                lines(
                    "How fast do the error budgets burn?",
                    "1: a budget of 30 days lasts 30 days. Above 14.4 for an hour somebody is woken; above "
                    "1 for days there is a ticket.",
                    "none",
                    *map(_burns, OBJECTIVES),
                    bounds=Bounds(1, 14.4),
                    span=16,
                ),
                number(
                    "Alerts that fire",
                    "Of Continuo's own, whatever their severity. Each has a page that says what to do.",
                    "none",
                    'sum(ALERTS{alertname=~"Continuo.*",alertstate="firing"}) or vector(0)',
                    bounds=Bounds(1, 3),
                ),
                number(
                    "Is there exactly one Redis master?",
                    "As the presence service counts them every 5 s. Anything but 1 for over a minute pages "
                    "somebody.",
                    "none",
                    most("redis_masters"),
                    bounds=Bounds(only=1),
                ),
            ),
        ),
        Row(
            "Traffic and errors",
            (
                lines(
                    "How much is said?",
                    "Messages people sent, by what became of them; and events shown to devices, each "
                    "counted once per pod that has a follower.",
                    "cps",
                    Query(rate("sends", "outcome"), "messages {{outcome}}"),
                    Query(rate("events_shown", "kind"), "shown: {{kind}}"),
                ),
                lines(
                    "What goes wrong?",
                    "Messages that failed or found the queue full, failed turns, resets, errors of Redis. "
                    "At rest all are 0; the dashboards of the parts say more.",
                    "cps",
                    Query(rate("sends", where='outcome=~"busy|failed"'), "messages not taken"),
                    Query(rate("turns", where='outcome="failed"'), "turns failed"),
                    Query(rate("recoveries", where='outcome="reset"'), "devices reset"),
                    Query(rate("waits_failed"), "writes not replicated"),
                    bounds=Bounds(0.01, 1),
                ),
                lines(
                    "Who is there?",
                    "Processes that Prometheus sees, by service. One missing is a restart; none of a "
                    "service pages somebody.",
                    "none",
                    Query(total("process", "service"), "{{service}}"),
                    bounds=Bounds(2, 1),
                ),
            ),
        ),
        Row(
            "Latency",
            (
                lines(
                    "How long until a message is acknowledged?",
                    "From a message's arrival to its replicated acknowledgement. Promised within 1 s.",
                    "s",
                    Query(quantile(0.5, "accept_seconds"), "half"),
                    Query(quantile(0.99, "accept_seconds"), "99 %"),
                    bounds=Bounds(0.5, 1),
                ),
                lines(
                    "How long until what is said is shown?",
                    "From an event's time in the journal (Redis's clock) to the write to devices (the pod's "
                    "clock). Promised within 1 s. A clock that is off shows here.",
                    "s",
                    Query(quantile(0.5, "delivery_seconds"), "half"),
                    Query(quantile(0.99, "delivery_seconds"), "99 %"),
                    bounds=Bounds(0.5, 1),
                ),
                lines(
                    "How long until an answer begins?",
                    "From a message's acceptance to the first words of the answer: the wait for a worker "
                    "and the model.",
                    "s",
                    Query(quantile(0.5, "first_delta_seconds"), "half"),
                    Query(quantile(0.95, "first_delta_seconds"), "95 %"),
                    bounds=Bounds(5, 20),
                ),
            ),
        ),
        Row(
            "How full is it?",
            (
                lines(
                    "How many devices are connected?",
                    "Open connections of each pod. A pod refuses more than its capacity.",
                    "none",
                    Query(total("connections", "instance") + " > 0", "{{instance}}"),
                    bounds=Bounds(4000, 5000),
                ),
                lines(
                    "Whose processor is full?",
                    "Cores that each process uses. One process uses at most one: near 1 it is late with "
                    "everything.",
                    "none",
                    Query(f"rate(process_cpu_seconds_total{{{JOB}}}[$__rate_interval])", "{{instance}}"),
                    bounds=Bounds(0.7, 0.9),
                ),
                lines(
                    "How long do turns wait for a worker?",
                    "Age of the oldest conversation that waits. Above 60 s for two minutes pages somebody.",
                    "s",
                    Query(most("turn_queue_oldest_seconds"), "oldest"),
                    bounds=Bounds(10, 60),
                ),
                lines(
                    "How much memory do processes hold?",
                    "Resident memory of each. Growth without an end is a leak; the chart's limits are 256 "
                    "to 1024 MiB.",
                    "bytes",
                    Query(f"process_resident_memory_bytes{{{JOB}}}", "{{instance}}"),
                    bounds=Bounds(400e6, 600e6),
                ),
            ),
        ),
        Row(
            "Can it be looked into?",
            (
                lines(
                    "How much is traced?",
                    "Spans that left for the collector (sampled; late: kept because something went wrong; "
                    "early: for want of room), and those that nobody wanted. All 0: traces are off.",
                    "none",
                    Query(risen("traces_spans", "fate"), "{{fate}}"),
                    span=12,
                ),
                lines(
                    "Do traces arrive?",
                    "Spans that did not, by why: the queue was full, the collector did not take them, the "
                    "process ended. At rest 0. It never delays a message.",
                    "none",
                    Query(risen("traces_dropped", "why"), "{{why}}"),
                    bounds=Bounds(1, 100),
                    span=12,
                ),
                lines(
                    "Do traces pile up?",
                    "Spans that wait to be kept, and those on their way to the collector, of the process "
                    "that has most. At CONTINUO_TRACES_BUFFER_SPANS (20,000) they are let go of.",
                    "none",
                    Query(most("traces_held"), "wait"),
                    Query(most("traces_queued"), "on their way"),
                    bounds=Bounds(10_000, 19_000),
                    span=12,
                ),
                lines(
                    "Is the audit log whole?",
                    "Connects and denials that were lost, and those that wait for Redis, of the pod that has "
                    "most: at 10,000 the next ones are lost. Deeds are written with what they do, and never "
                    "lost alone.",
                    "none",
                    Query(risen("audit_lost"), "lost"),
                    Query(most("audit_waiting"), "wait"),
                    bounds=Bounds(1000, 9000),
                    span=12,
                ),
            ),
        ),
    ),
)
