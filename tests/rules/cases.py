"""For each alert what makes it fire and what does not, in promtool's notation: `0+5x3` is 0 5 10 15.

Judged by `python -m tests.rules.run`, by Prometheus' own promtool. A table; it computes nothing of what it
judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

JOB = "talk/continuo"
POD = "10.0.0.7:8080"


@dataclass(frozen=True, slots=True)
class Case:
    """Does `alert` fire `at` this time, with samples `every` so often? `why`: what the series play.

    labels: of the alert that fires, beside job and severity. value: how its texts write the value.
    """

    alert: str
    fires: bool
    why: str
    series: Mapping[str, str]
    at: str
    labels: Mapping[str, str] = field(default_factory=dict)
    value: str = ""
    every: str = "30s"


def delivered(late: float, samples: int = 160) -> dict[str, str]:
    """Of 100 events a sample so many are late; before that all is well for an hour."""
    of_it = f'job="{JOB}",kind="delta"'
    return {
        f"continuo_delivery_seconds_count{{{of_it}}}": f"0+100x{samples}",
        f'continuo_delivery_seconds_bucket{{{of_it},le="1.0"}}': f"0+{100 - late:g}x{samples}",
    }


def acknowledged(failed: float, late: float, samples: int = 160) -> dict[str, str]:
    """Of 100 messages a sample so many fail and so many are accepted late; as many again are refused."""
    taken = 100 - failed
    return {
        f'continuo_sends_total{{job="{JOB}",outcome="accepted"}}': f"0+{taken:g}x{samples}",
        f'continuo_sends_total{{job="{JOB}",outcome="failed"}}': f"0+{failed:g}x{samples}",
        f'continuo_sends_total{{job="{JOB}",outcome="busy"}}': f"0x{samples}",
        f'continuo_sends_total{{job="{JOB}",outcome="refused"}}': f"0+100x{samples}",
        f'continuo_accept_seconds_count{{job="{JOB}"}}': f"0+{taken:g}x{samples}",
        f'continuo_accept_seconds_bucket{{job="{JOB}",le="1.0"}}': f"0+{taken - late:g}x{samples}",
    }


def turns(failed: float, samples: int = 160) -> dict[str, str]:
    """Of 100 turns a sample so many fail."""
    return {
        f'continuo_turns_total{{job="{JOB}",outcome="completed"}}': f"0+{100 - failed:g}x{samples}",
        f'continuo_turns_total{{job="{JOB}",outcome="failed"}}': f"0+{failed:g}x{samples}",
    }


def resumed(reset: float, samples: int = 160) -> dict[str, str]:
    """Of 100 returns a sample so many are reset."""
    return {
        f'continuo_recoveries_total{{job="{JOB}",outcome="recovered"}}': f"0+{100 - reset:g}x{samples}",
        f'continuo_recoveries_total{{job="{JOB}",outcome="reset"}}': f"0+{reset:g}x{samples}",
    }


def once_bad(total: str, bad: str) -> dict[str, str]:
    """Half of all go wrong for 30 minutes, and none in the 35 behind them."""
    return {total: "0+100x130", bad: "0+50x60 3000x70"}


SEEN = {
    f'continuo_process{{job="{JOB}",service="{service}"}}': "1x20" for service in ("connection", "presence")
}
WORKER = {f'continuo_process{{job="{JOB}",service="conversation"}}': "1x20"}


def condition(kind: str, values: str) -> dict[str, str]:
    return {f'continuo_operator_conditions{{job="{JOB}",fleet="continuo",condition="{kind}"}}': values}


def draining(connections: str, draining: str = "1x40") -> dict[str, str]:
    return {
        f'continuo_draining{{job="{JOB}",instance="{POD}"}}': draining,
        f'continuo_connections{{job="{JOB}",instance="{POD}"}}': connections,
    }


def masters(one: str, other: str) -> dict[str, str]:
    """As two presence processes see them."""
    return {
        f'continuo_redis_masters{{job="{JOB}",name="continuo",instance="a"}}': one,
        f'continuo_redis_masters{{job="{JOB}",name="continuo",instance="b"}}': other,
    }


BURNS = (
    Case(
        "ContinuoDeliveryBurnsFast",
        True,
        "a fifth is late for an hour",
        delivered(20),
        "75m",
        value="20%",
        every="1m",
    ),
    Case(
        "ContinuoDeliveryBurnsFast",
        True,
        "1 % is late for six hours: less, for longer",
        delivered(1),
        "6h30m",
        value="1%",
        every="5m",
    ),
    Case(
        "ContinuoDeliveryBurnsFast",
        False,
        "1 in 200 is late: below the pace",
        delivered(0.5),
        "75m",
        every="1m",
    ),
    Case("ContinuoDeliveryBurnsFast", False, "nothing is shown at all", {}, "75m", every="1m"),
    Case(
        "ContinuoDeliveryBurnsSlow",
        True,
        "1 in 200 is late for a day",
        delivered(0.5, 60),
        "25h",
        value="0.5%",
        every="30m",
    ),
    Case(
        "ContinuoDeliveryBurnsSlow",
        False,
        "1 in 2000 is late: half of what may be",
        delivered(0.05, 60),
        "25h",
        every="30m",
    ),
    Case(
        "ContinuoAcknowledgedBurnsFast",
        True,
        "1 in 20 fails, 1 in 20 is late",
        acknowledged(5, 5),
        "75m",
        value="10%",
        every="1m",
    ),
    Case(
        "ContinuoAcknowledgedBurnsFast",
        False,
        "only what is the clients' own fault",
        acknowledged(0, 0),
        "75m",
        every="1m",
    ),
    Case(
        "ContinuoAcknowledgedBurnsSlow",
        True,
        "1 in 200 fails for a day",
        acknowledged(0.5, 0, 60),
        "25h",
        value="0.5%",
        every="30m",
    ),
    Case("ContinuoAcknowledgedBurnsSlow", False, "only refusals", acknowledged(0, 0, 60), "25h", every="30m"),
    Case(
        "ContinuoTurnsBurnsFast", True, "a fifth of all turns fail", turns(20), "75m", value="20%", every="1m"
    ),
    Case("ContinuoTurnsBurnsFast", False, "1 in 20 fails: below the pace", turns(5), "75m", every="1m"),
    Case(
        "ContinuoTurnsBurnsFast",
        False,
        "half of them failed for a while, and no more: the short window is clean",
        once_bad(
            f'continuo_turns_total{{job="{JOB}",outcome="completed"}}',
            f'continuo_turns_total{{job="{JOB}",outcome="failed"}}',
        ),
        "64m",
    ),
    Case(
        "ContinuoTurnsBurnsFast",
        False,
        "four of ten failed in an hour: too few to wake anybody",
        {
            f'continuo_turns_total{{job="{JOB}",outcome="completed"}}': "0x100 1x10 2x10 3x10 4x10 5x10 6x10",
            f'continuo_turns_total{{job="{JOB}",outcome="failed"}}': "0x100 0x10 1x10 2x10 3x10 4x20",
        },
        "77m",
    ),
    Case("ContinuoTurnsBurnsSlow", True, "4 % fail for a day", turns(4, 60), "25h", value="4%", every="30m"),
    Case(
        "ContinuoTurnsBurnsSlow",
        False,
        "1 in 200 fails: half of what may be",
        turns(0.5, 60),
        "25h",
        every="30m",
    ),
    Case(
        "ContinuoResumeBurnsFast",
        True,
        "a tenth of those who come back are reset",
        resumed(10),
        "75m",
        value="10%",
        every="1m",
    ),
    Case(
        "ContinuoResumeBurnsFast", False, "1 in 200 is reset: below the pace", resumed(0.5), "75m", every="1m"
    ),
    Case(
        "ContinuoResumeBurnsSlow",
        True,
        "1 in 200 is reset for a day",
        resumed(0.5, 60),
        "25h",
        value="0.5%",
        every="30m",
    ),
    Case("ContinuoResumeBurnsSlow", False, "1 in 2000 is reset", resumed(0.05, 60), "25h", every="30m"),
)

FAULTS = (
    Case(
        "ContinuoMasters",
        True,
        "no server is master",
        masters("1x4 0x20", "1x4 0x20"),
        "6m",
        {"name": "continuo"},
        "0",
    ),
    Case(
        "ContinuoMasters",
        True,
        "one sees two masters",
        masters("1x4 2x20", "1x24"),
        "6m",
        {"name": "continuo"},
        "2",
    ),
    Case("ContinuoMasters", False, "a failover, over after 30 s", masters("1x4 0 1x20", "1x4 0 1x20"), "3m"),
    Case("ContinuoMasters", False, "one of the two reaches no server", masters("1x24", "1x4 0x20"), "6m"),
    Case(
        "ContinuoReplicationFails",
        True,
        "one write after the other is not confirmed",
        {
            f'continuo_waits_failed_total{{job="{JOB}"}}': "0+2x30",
            f'continuo_ticks_failed_total{{job="{JOB}"}}': "0+3x30",
        },
        "10m",
        value="20",
    ),
    Case(
        "ContinuoReplicationFails",
        False,
        "some were not, in one failover",
        {
            f'continuo_waits_failed_total{{job="{JOB}"}}': "0x5 4x25",
            f'continuo_ticks_failed_total{{job="{JOB}"}}': "0x5 6x25",
        },
        "5m",
    ),
    Case(
        "ContinuoRedisEmptied",
        True,
        "a process found another life of Redis",
        {f'continuo_redis_emptied_total{{job="{JOB}"}}': "0x10 1x20"},
        "10m",
    ),
    Case(
        "ContinuoRedisEmptied",
        False,
        "an hour ago",
        {f'continuo_redis_emptied_total{{job="{JOB}"}}': "0x10 1x120"},
        "60m",
    ),
    Case(
        "ContinuoPodDeaf",
        True,
        "a pod is deaf for two minutes",
        {f'continuo_feed_deaf{{job="{JOB}",instance="{POD}"}}': "0x5 1x5"},
        "5m",
        {"instance": POD},
    ),
    Case(
        "ContinuoPodDeaf",
        False,
        "it opened its feed anew, and hears",
        {f'continuo_feed_deaf{{job="{JOB}",instance="{POD}"}}': "0x5 1 0x10"},
        "5m",
    ),
    Case(
        "ContinuoDrainStuck", True, "told to drain, and all stay", draining("40x40"), "10m", {"instance": POD}
    ),
    Case("ContinuoDrainStuck", False, "slow, but they leave", draining("40-1x40"), "10m"),
    Case("ContinuoDrainStuck", False, "nobody is left", draining("40-40x1 0x38"), "10m"),
    Case("ContinuoDrainStuck", False, "it does not drain", draining("40x40", "0x40"), "10m"),
    Case("ContinuoNoWorker", True, "only the others are there", SEEN, "5m", value="2"),
    Case("ContinuoNoWorker", False, "one is there", SEEN | WORKER, "5m"),
    Case("ContinuoNoConnection", True, "only a worker is there", WORKER, "5m", value="1"),
    Case("ContinuoNoConnection", False, "one is there", SEEN | WORKER, "5m"),
    Case("ContinuoNoPresence", True, "only a worker is there", WORKER, "5m", value="1"),
    Case("ContinuoNoPresence", False, "one is there", SEEN | WORKER, "5m"),
    Case("ContinuoNothingScraped", True, "no series at all", {}, "10m"),
    Case("ContinuoNothingScraped", False, "one process is there", WORKER, "10m"),
    Case(
        "ContinuoQueueOld",
        True,
        "the oldest waits on and on",
        {f'continuo_turn_queue_oldest_seconds{{job="{JOB}",instance="{POD}"}}': "0+30x20"},
        "6m",
        value="6m 0s",
    ),
    Case(
        "ContinuoQueueOld",
        False,
        "it waits for half a minute, again and again",
        {f'continuo_turn_queue_oldest_seconds{{job="{JOB}",instance="{POD}"}}': "0 30 0 30 0 30 0 30 0 30 0"},
        "6m",
    ),
    Case(
        "ContinuoDeadLetters",
        True,
        "three for an hour",
        {f'continuo_dead_letters{{job="{JOB}"}}': "3x120"},
        "60m",
        value="3",
    ),
    Case(
        "ContinuoDeadLetters",
        False,
        "replayed at once",
        {f'continuo_dead_letters{{job="{JOB}"}}': "3x10 0x110"},
        "60m",
    ),
    Case(
        "ContinuoAuditLost",
        True,
        "Redis was away for longer than entries are kept waiting",
        {
            f'continuo_audit_lost_total{{job="{JOB}",instance="a"}}': "0x10 30x20",
            f'continuo_audit_lost_total{{job="{JOB}",instance="b"}}': "0x30",
        },
        "8m",
        value="30",
    ),
    Case(
        "ContinuoAuditLost",
        False,
        "some were, an hour ago",
        {f'continuo_audit_lost_total{{job="{JOB}"}}': "0x10 30x120"},
        "60m",
    ),
    Case(
        "ContinuoTracesDropped",
        True,
        "the collector takes nothing",
        {
            f'continuo_traces_dropped_total{{job="{JOB}",why="failed"}}': "0+50x60",
            f'continuo_traces_dropped_total{{job="{JOB}",why="full"}}': "0x60",
        },
        "25m",
        {"why": "failed"},
        "1k",
    ),
    Case(
        "ContinuoTracesDropped",
        False,
        "the collector was started anew",
        {f'continuo_traces_dropped_total{{job="{JOB}",why="failed"}}': "0x10 400x50"},
        "25m",
    ),
    Case(
        "ContinuoTracesDropped",
        False,
        "processes end with some on their way, in a rollout",
        {f'continuo_traces_dropped_total{{job="{JOB}",why="ended"}}': "0+5x60"},
        "25m",
    ),
    Case(
        "ContinuoBudgetInfeasible",
        True,
        "the condition is true",
        condition("BudgetInfeasible", "1x60"),
        "20m",
        {"fleet": "continuo"},
    ),
    Case(
        "ContinuoBudgetInfeasible",
        False,
        "it was, in a rollout",
        condition("BudgetInfeasible", "1x10 0x50"),
        "20m",
    ),
    Case(
        "ContinuoCensusStale",
        True,
        "pods do not answer",
        condition("MetricsStale", "1x60"),
        "20m",
        {"fleet": "continuo"},
    ),
    Case("ContinuoCensusStale", False, "another condition is true", condition("Draining", "1x60"), "20m"),
    Case(
        "ContinuoOperatorStale",
        True,
        "nobody holds the Lease",
        {
            f'continuo_operator_leads{{job="{JOB}",instance="{POD}"}}': "1x5 0x60",
            f'continuo_operator_loop_seconds_count{{job="{JOB}",instance="{POD}"}}': "0+15x5 75x60",
        },
        "20m",
    ),
    Case(
        "ContinuoOperatorStale",
        True,
        "one holds it and looks at nothing",
        {
            f'continuo_operator_leads{{job="{JOB}",instance="{POD}"}}': "1x60",
            f'continuo_operator_loop_seconds_count{{job="{JOB}",instance="{POD}"}}': "75x60",
        },
        "20m",
    ),
    Case(
        "ContinuoOperatorStale",
        False,
        "one leads and looks, another waits",
        {
            f'continuo_operator_leads{{job="{JOB}",instance="{POD}"}}': "1x60",
            f'continuo_operator_leads{{job="{JOB}",instance="b"}}': "0x60",
            f'continuo_operator_loop_seconds_count{{job="{JOB}",instance="{POD}"}}': "0+15x60",
            f'continuo_operator_loop_seconds_count{{job="{JOB}",instance="b"}}': "0x60",
        },
        "20m",
    ),
)

CASES = (*BURNS, *FAULTS)
