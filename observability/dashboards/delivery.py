"""Delivery guarantees: is everything shown once, in order, in time, and only when it is safe?"""

from __future__ import annotations

from observability.panels import Board, Bounds, Query, Row, lines, number
from observability.queries import most, quantile, rate, risen, series, total

BOARD = Board(
    "delivery",
    "Continuo: delivery guarantees",
    "What keeps the promise that every device sees one ordered log: replication, repairs, recoveries, "
    "fencing.",
    (
        Row(
            "Is it in time?",
            (
                lines(
                    "How old is what is shown?",
                    "From an event's time in the journal to the hub's write, 99 % of them, by kind. "
                    "Promised within 1 s.",
                    "s",
                    Query(quantile(0.99, "delivery_seconds", "kind"), "{{kind}}"),
                    bounds=Bounds(0.5, 1),
                ),
                lines(
                    "How much of that is waiting for replicas?",
                    "Nothing is shown before a replica has it. Within which 99 % were released; and one "
                    "tick, the write that asks for it.",
                    "s",
                    Query(quantile(0.99, "held_seconds"), "held"),
                    Query(quantile(0.99, "tick_seconds"), "tick"),
                    bounds=Bounds(0.1, 1),
                ),
                lines(
                    "How long until a message is acknowledged?",
                    "From arrival to replicated acknowledgement, 99 %.",
                    "s",
                    Query(quantile(0.99, "accept_seconds"), "99 %"),
                    bounds=Bounds(0.5, 1),
                ),
            ),
        ),
        Row(
            "Is it whole?",
            (
                lines(
                    "Is what is heard also shown?",
                    "Publishes heard, events handed to the hub, frames to devices. Frames grow with the "
                    "followers; heard and shown go together.",
                    "cps",
                    Query(rate("events_heard"), "heard"),
                    Query(rate("events_shown"), "shown"),
                    Query(rate("frames_sent"), "frames"),
                ),
                lines(
                    "Are holes mended?",
                    "Holes between live events filled from the journal, and channels read again because "
                    "their top had moved unheard. Each is one that nobody noticed.",
                    "none",
                    Query(risen("gaps_repaired"), "gaps"),
                    Query(risen("repairs"), "unheard tops"),
                    bounds=Bounds(10, 100),
                ),
                lines(
                    "Do devices get what they missed?",
                    "Subscribes with a position, by outcome. A reset loads the conversation anew.",
                    "cps",
                    Query(rate("recoveries", "outcome"), "{{outcome}}"),
                ),
                lines(
                    "Do feeds go deaf?",
                    "Times a live feed heard nothing of its own probes and was opened anew; and whether one "
                    "is deaf now.",
                    "none",
                    Query(risen("feeds_deaf"), "opened anew"),
                    Query(most("feed_deaf"), "deaf now"),
                    bounds=Bounds(1, 3),
                ),
                lines(
                    "How much is followed?",
                    "Channels that pods follow in Redis, and subscriptions by kind of channel.",
                    "none",
                    Query(total("channels_followed"), "channels"),
                    Query(total("subscriptions", "kind"), "subscriptions: {{kind}}"),
                ),
                lines(
                    "Do lists and control words arrive?",
                    "Outbox entries carried to other partitions, and control entries acted on, by kind. A "
                    "gap means that entries may have been missed and all was checked.",
                    "cps",
                    Query(rate("relay_entries", "kind"), "relay: {{kind}}"),
                    Query(rate("control_entries", "kind"), "control: {{kind}}"),
                ),
            ),
        ),
        Row(
            "Is it safe?",
            (
                lines(
                    "Does replication fail?",
                    "Writes and ticks that no replica confirmed in time. In a failover some do; for minutes "
                    "on end it pages somebody.",
                    "none",
                    Query(risen("waits_failed"), "writes"),
                    Query(risen("ticks_failed"), "ticks"),
                    bounds=Bounds(1, 10),
                ),
                lines(
                    "How much waits for replication now?",
                    "Events heard and not yet confirmed. It grows while Redis fails over, and falls at once "
                    "behind it.",
                    "none",
                    Query(total("events_held", "instance"), "{{instance}}"),
                    bounds=Bounds(500, 5000),
                ),
                lines(
                    "Were dead workers kept out?",
                    "Writes that Redis refused because the lease or the attempt behind them was over, by "
                    "script. Each is a promise that held.",
                    "none",
                    Query(risen("fenced", "operation"), "{{operation}}"),
                    bounds=Bounds(5, 50),
                ),
                lines(
                    "Did channels move?",
                    "Live channels that went on in another epoch after a failover: their devices subscribe "
                    "again.",
                    "none",
                    Query(risen("epoch_moves"), "moved"),
                    bounds=Bounds(1000, 10_000),
                ),
                lines(
                    "How old is what the outbox carries?",
                    "Age of an entry when it has arrived in the other partition, 99 %: a conversation in a "
                    "list, a word to a user's other devices.",
                    "s",
                    Query(quantile(0.99, "relay_seconds"), "99 %"),
                    bounds=Bounds(2, 10),
                ),
                number(
                    "Was Redis emptied?",
                    "Times in the last hour that a process found another life of Redis. Anything but 0 is a "
                    "disaster.",
                    "none",
                    f"max(increase({series('redis_emptied_total')}[1h]))",
                    bounds=Bounds(1, 1),
                    span=8,
                ),
            ),
        ),
    ),
)
