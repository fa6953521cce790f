"""Presence: who is there, what dead pods left behind, what is swept up."""

from __future__ import annotations

from observability.panels import Board, Bounds, Query, Row, lines, number
from observability.queries import ended, most, quantile, rate, risen, total

BOARD = Board(
    "presence",
    "Continuo: presence",
    "The presence service: nodes, joins and leaves, and housekeeping.",
    (
        Row(
            "Does it look?",
            (
                number(
                    "Presence processes",
                    "That Prometheus sees. 0 pages somebody: then nobody measures the queue or Redis either.",
                    "none",
                    total("process", where='service="presence"'),
                    bounds=Bounds(2, 1),
                ),
                number(
                    "Nodes that beat",
                    "Connection processes whose beat is fresh. Fewer than pods: one hangs.",
                    "none",
                    most("nodes_alive"),
                    bounds=Bounds(2, 1),
                ),
                number(
                    "Leaves that wait for their grace",
                    "Users who went a moment ago, and may be back. Many at once follow a rollout.",
                    "none",
                    most("departures_due"),
                    bounds=Bounds(1000, 10_000),
                ),
                number(
                    "Deleted, with something left",
                    "Conversations that are deleted and being cleared away. It should fall to 0.",
                    "none",
                    most("deletions_due"),
                    bounds=Bounds(100, 1000),
                ),
                lines(
                    "Is a sweep fast enough?",
                    "One sweep, 99 %. They begin a second apart; above that, leaves are announced late.",
                    "s",
                    Query(quantile(0.99, "presence_sweep_seconds"), "99 %"),
                    bounds=Bounds(0.5, 1),
                ),
                lines(
                    "Do sweeps come to their end?",
                    "Sweeps a second of each process: 1 as it comes. 0 while Redis is away.",
                    "cps",
                    Query(ended("presence_sweep_seconds", "instance") + " > 0", "{{instance}}"),
                    bounds=Bounds(0.8, 0.3),
                ),
                lines(
                    "Who works for how much?",
                    "Shards of the partitions that each replica holds: equal parts, all of them together.",
                    "none",
                    Query(total("presence_shards", "instance") + " > 0", "{{instance}}"),
                ),
                lines(
                    "What do the pods hold?",
                    "The census: connections, channels, users and new connections a second, of all pods "
                    "that are heard. A line that ends: none is.",
                    "none",
                    Query(most("census", "number"), "{{number}}"),
                    Query(most("census_stale"), "pods not heard"),
                ),
                lines(
                    "Do the pods beat?",
                    "Beats a second, by pod.",
                    "cps",
                    Query(rate("presence_beats", "instance") + " > 0", "{{instance}}"),
                    bounds=Bounds(0.3, 0.1),
                ),
            ),
        ),
        Row(
            "Who comes and goes?",
            (
                lines(
                    "How many joins and leaves are announced?",
                    "A user is announced once, however many devices. Many more than people come and go: "
                    "grace is short.",
                    "cps",
                    Query(rate("presence_transitions", "kind"), "{{kind}}"),
                ),
                lines(
                    "Do pods die?",
                    "Nodes declared dead, and connections cleared away with them. A rollout kills none: "
                    "drains end well.",
                    "none",
                    Query(risen("nodes_reaped"), "nodes"),
                    Query(risen("seats_reaped"), "connections"),
                    bounds=Bounds(1, 3),
                ),
                lines(
                    "What is cleared away?",
                    "Deleted conversations of which nothing is left, and conversations retired because "
                    "nobody wrote.",
                    "none",
                    Query(risen("deletions"), "cleared away"),
                    Query(risen("conversations_retired"), "retired"),
                ),
            ),
        ),
    ),
)
