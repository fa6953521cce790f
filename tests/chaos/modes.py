"""What each fault of the campaign means to a user, which metric shows it, and which test proves the promise.

Read by `page`, which makes docs/failure-modes.md of it. Every fault of `faults` must be covered.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Mode:
    """faults: a glob of names. seen: what users notice. metrics: without prefix. tests: file::name."""

    faults: str
    what: str
    seen: str
    metrics: tuple[str, ...]
    tests: tuple[str, ...]


_TAKEOVER = "tests/e2e/test_conversation_takeover.py"
_DOOR = "tests/e2e/test_connection_failover.py"
_SDK = "tests/e2e/test_sdk_python.py"
_WORKERS = "tests/e2e/test_conversation_failover.py"
_POISON = "tests/e2e/test_conversation_poison.py"
_DEAF = "tests/e2e/test_connection_deaf.py"
_EMPTIED = "tests/e2e/test_redis_emptied.py"
_QUEUE = "tests/e2e/test_queue_bounds.py"
_PLANNED = "tests/contract/test_planned_failover.py"
_EMBEDDED = "tests/contract/test_embedded_redis.py"
_ROSTER = "tests/contract/test_roster.py"

MODES = (
    Mode(
        "connection.kill*",
        "A connection process dies, or all of them",
        "Their devices reconnect to another one and recover; nothing is missing or shown twice.",
        ("connections", "recoveries_total"),
        (f"{_SDK}::test_a_device_whose_server_is_killed_recovers_all_it_missed_once_and_in_order",),
    ),
    Mode(
        "connection.freeze",
        "A connection process stands still for seconds and wakes up",
        "Its devices wait, or go elsewhere once they miss its pings.",
        ("disconnects_total", "recoveries_total"),
        (f"{_ROSTER}::test_a_seat_taken_anew_by_a_node_that_woke_up_is_not_freed_by_a_late_reaper",),
    ),
    Mode(
        "connection.restart",
        "A connection process is told to end and started again",
        "Its devices are told to go elsewhere (3001) and recover there.",
        ("draining", "disconnects_total"),
        (),
    ),
    Mode(
        "worker.kill*",
        "A worker dies, or all of them",
        "The answer under way is taken back by name and told anew by another worker, or the same restarted.",
        ("takeovers_total", "turn_attempts_total"),
        (f"{_TAKEOVER}::test_the_answer_of_a_killed_worker_is_retracted_and_given_by_another",),
    ),
    Mode(
        "worker.freeze",
        "A worker stands still for longer than its lease, then wakes up",
        "As after its death; what it does when it wakes up is refused.",
        ("takeovers_total", "leases_lost_total"),
        (f"{_TAKEOVER}::test_a_worker_that_wakes_up_after_its_takeover_writes_nothing",),
    ),
    Mode(
        "worker.restart",
        "A worker is told to end and started again",
        "Nothing: answers end first, or are handed over at once.",
        ("turn_attempts_total",),
        (
            f"{_TAKEOVER}::test_a_worker_told_to_end_lets_its_turn_finish",
            f"{_TAKEOVER}::test_a_worker_at_its_deadline_hands_its_turn_over_at_once",
        ),
    ),
    Mode(
        "rolling.restart",
        "Every connection process is told to end and started again, one after the other",
        "Nothing: nobody is said to have left, who is there is present.",
        ("departures_due", "draining"),
        ("make chaos-presence", "make rollout"),
    ),
    Mode(
        "connection.lost",
        "A connection process dies, and a replica of presence; some users do not come back",
        "These leave within the grace and 10 s, each once; the others never.",
        ("nodes_reaped_total", "departures_due"),
        (
            "make chaos-presence",
            f"{_ROSTER}::test_two_presence_services_clear_a_dead_node_once",
        ),
    ),
    Mode(
        "presence.away",
        "No presence service runs while people go",
        "Nobody is announced; within 10 s after it is back the leaves are, each once.",
        ("departures_due",),
        ("make chaos-presence",),
    ),
    Mode(
        "presence.*",
        "The presence service dies or stands still",
        "Nothing in conversations; joins and leaves are announced later.",
        ("nodes_alive", "departures_due"),
        (
            f"{_ROSTER}::test_two_presence_services_clear_a_dead_node_once",
            f"{_ROSTER}::test_a_leave_is_announced_after_the_grace_once_though_many_sweep",
        ),
    ),
    Mode(
        "redis.master.kill*",
        "The Redis master dies, also with replicas that lag behind it",
        "A pause; no device is disconnected, nothing acknowledged is lost.",
        ("redis_failovers_total", "epoch_moves_total"),
        (f"{_DOOR}::test_a_failover_moves_the_channels_and_disconnects_nobody",),
    ),
    Mode(
        "redis.master.freeze",
        "The Redis master stands still and comes back when it was replaced",
        "The same.",
        ("redis_failovers_total", "waits_failed_total"),
        (f"{_DOOR}::test_a_failover_moves_the_channels_and_disconnects_nobody",),
    ),
    Mode(
        "redis.master.restart",
        "The Redis master dies and is started again before the Sentinels noticed",
        "The same: it waits for the Sentinels' word and serves no older past.",
        ("redis_reconnects_total", "redis_failovers_total"),
        (f"{_EMBEDDED}::test_a_master_that_restarts_at_once_with_an_older_past_makes_nobody_copy_it",),
    ),
    Mode(
        "redis.master.isolate",
        "The Redis master is cut off from everybody, and comes back",
        "The same.",
        ("redis_failovers_total", "waits_failed_total"),
        (f"{_DOOR}::test_an_isolated_master_costs_devices_a_pause_and_acknowledges_nothing",),
    ),
    Mode(
        "redis.failover.planned",
        "`continuo failover` moves the master",
        "A shorter pause.",
        ("redis_failovers_total", "epoch_moves_total"),
        (
            f"{_PLANNED}::test_it_moves_the_master_three_times_and_no_speaker_sees_more_than_a_pause",
            f"{_DOOR}::test_a_planned_failover_is_a_pause_to_a_device_and_no_error",
        ),
    ),
    Mode(
        "redis.replica.*",
        "A replica dies or stands still",
        "Nothing: the other one confirms writes.",
        ("waits_failed_total",),
        (),
    ),
    Mode("redis.sentinel.*", "A Sentinel dies or stands still", "Nothing.", ("redis_failovers_total",), ()),
    Mode(
        "link.replication.slow",
        "Replication is late by up to 0.4 s",
        "Acknowledgements and events come later by as much.",
        ("tick_seconds", "held_seconds"),
        ("tests/chaos/test_links_redis.py::test_delayed_replication_makes_confirmations_slow_or_fail",),
    ),
    Mode(
        "link.replication.cut*",
        "One replica is cut off, or both",
        "With one nothing; with both a pause: nothing is acknowledged or shown that no replica holds.",
        ("waits_failed_total", "ticks_failed_total"),
        (
            "tests/contract/test_messages.py::test_a_message_no_replica_confirms_is_not_acknowledged_and_its_repeat_is",
        ),
    ),
    Mode(
        "link.connection.*",
        "A connection process's way to Redis is cut, slow, or reset",
        "Its devices wait; what was missed is repaired from the journal without their doing.",
        ("feeds_deaf_total", "repairs_total", "gaps_repaired_total"),
        (
            "tests/contract/test_live.py::test_a_broken_connection_is_opened_anew_and_says_that_something_may_be_missing",
            "tests/contract/test_sentinel_closed.py::test_sending_on_a_socket_that_closed_unseen_is_an_error_of_the_connection",
        ),
    ),
    Mode(
        "link.device.*",
        "Devices' way to a connection process is cut, slow, or reset",
        "They wait, or come again and recover; nothing is missing or shown twice.",
        ("disconnects_total", "recoveries_total"),
        (),
    ),
    Mode(
        "link.worker.*",
        "A worker's way to Redis is cut, slow, or reset",
        "An answer pauses; when it is cut for longer than the lease, another worker gives it.",
        ("leases_lost_total", "takeovers_total"),
        (),
    ),
    Mode(
        "devices.*",
        "Devices die and start anew, or stand still for seconds",
        "Others notice nothing; new ones read history, those that slept recover.",
        ("connections_opened_total",),
        (),
    ),
    Mode(
        "client.*",
        "A client does not read, does not answer pings, or sends what nobody sends",
        "Others notice nothing; it is closed with a code that says why.",
        ("slow_closes_total", "disconnects_total", "connections_refused_total"),
        (),
    ),
    Mode(
        "step.*",
        "A process dies right at this step of [a message's way](message-path.md)",
        "As when it dies anywhere; nothing acknowledged is lost, nothing is told twice.",
        ("takeovers_total", "recoveries_total"),
        (),
    ),
    Mode(
        "worker.and.master",
        "A worker and the master die together",
        "Both pauses in one; every turn has one final.",
        ("takeovers_total", "redis_failovers_total"),
        (f"{_WORKERS}::test_turns_have_one_final_when_their_worker_and_the_master_die_together",),
    ),
    Mode(
        "turn.poisoned",
        "A turn kills every worker that takes it",
        "Its answer fails with a reason and is kept: a [dead letter](dead-letters.md) that can be replayed.",
        ("turns_failed_total", "dead_letters"),
        (
            f"{_POISON}::test_a_turn_that_kills_each_worker_is_given_up_and_can_be_replayed_when_that_is_mended",
        ),
    ),
    Mode(
        "feed.deaf",
        "A connection process hears no publication although its sockets are open",
        "Events come up to 5 s late, from the journal; devices do nothing.",
        ("feed_deaf", "feeds_deaf_total", "repairs_total"),
        (
            f"{_DEAF}::test_a_deaf_pod_notices_in_5_s_says_so_and_brings_its_devices_everything_from_the_journal",
        ),
    ),
    Mode(
        "redis.emptied",
        "Redis lost everything it held",
        "Conversations are gone and devices are told so (`recovered: false`, 103); new ones work at once.",
        ("redis_emptied_total",),
        (f"{_EMPTIED}::test_services_go_on_with_a_redis_that_lost_everything_and_devices_are_told",),
    ),
    Mode(
        "queue.full",
        "Too many turns wait, in one conversation or in all",
        "`send` is refused with error 111, nothing is stored; the same message is taken later.",
        ("sends_refused_total", "turns_queued"),
        (f"{_QUEUE}::test_the_whole_queue_is_bounded_and_a_refused_client_gets_through_later",),
    ),
)


def mode_of(fault: str) -> Mode:
    """The mode a fault belongs to. Raises LookupError."""
    for mode in MODES:
        if fnmatchcase(fault, mode.faults):
            return mode
    raise LookupError(f"{fault} is in no mode")
