"""Redis and Sentinel, as the services see them."""

from __future__ import annotations

from observability.panels import Board, Bounds, Query, Row, lines, number
from observability.queries import ended, most, quantile, rate, risen, series

BOARD = Board(
    "redis",
    "Continuo: Redis and Sentinel",
    "The one store behind everything, seen from the services. Its own exporter, if there is one, says more "
    "of the servers.",
    (
        Row(
            "Is there a master?",
            (
                number(
                    "Masters",
                    "Data servers that answer and call themselves master. 1 is well; other numbers for over "
                    "a minute page somebody.",
                    "none",
                    most("redis_masters"),
                    bounds=Bounds(only=1),
                ),
                number(
                    "Replicas that follow",
                    "With the whole data set. With none nothing is acknowledged; with one the next loss "
                    "stops everything.",
                    "none",
                    most("redis_replicas"),
                    bounds=Bounds(2, 1),
                ),
                number(
                    "Failovers in the last hour",
                    "Times the Sentinels named another master. Planned ones count too.",
                    "none",
                    f"max(increase({series('redis_failovers_total')}[1h]))",
                    bounds=Bounds(1, 9),
                ),
                lines(
                    "What does each presence process see?",
                    "Masters and replicas, counted by each on its own: different numbers are a network that "
                    "is split.",
                    "none",
                    Query(series("redis_masters"), "masters, {{instance}}"),
                    Query(series("redis_replicas"), "replicas, {{instance}}"),
                    bounds=Bounds(1, 0.5),
                    span=12,
                ),
            ),
        ),
        Row(
            "Is it fast?",
            (
                lines(
                    "How long do round trips take?",
                    "Within which 99 % came back, of the ten slowest scripts. Those that are acknowledged "
                    "hold the wait for a replica.",
                    "s",
                    Query(f"topk(10, {quantile(0.99, 'redis_seconds', 'operation')})", "{{operation}}"),
                    bounds=Bounds(0.05, 0.5),
                    span=12,
                ),
                lines(
                    "What is it asked?",
                    "Round trips a second of the ten most frequent scripts.",
                    "cps",
                    Query(f"topk(10, {ended('redis_seconds', 'operation')})", "{{operation}}"),
                    span=12,
                ),
                lines(
                    "How fast is replication?",
                    "One tick: a tiny write and its confirmation by a replica. Half, and 99 %.",
                    "s",
                    Query(quantile(0.5, "tick_seconds"), "half"),
                    Query(quantile(0.99, "tick_seconds"), "99 %"),
                    bounds=Bounds(0.05, 0.5),
                    span=12,
                ),
                lines(
                    "How many ticks are there?",
                    "One at a time for each process, while anything waits. 0 while nobody speaks.",
                    "cps",
                    Query(ended("tick_seconds", "instance"), "{{instance}}"),
                    span=12,
                ),
            ),
        ),
        Row(
            "What goes wrong?",
            (
                lines(
                    "Which operations fail?",
                    "By kind of error. Some in a failover are normal: they are tried again.",
                    "none",
                    Query(risen("redis_errors", "kind"), "{{kind}}"),
                    bounds=Bounds(5, 50),
                ),
                lines(
                    "Are connections lost?",
                    "Connections to Redis opened again after a break, by pool. Steadily: something between "
                    "cuts them.",
                    "cps",
                    Query(rate("redis_reconnects", "pool"), "{{pool}}"),
                    bounds=Bounds(1, 10),
                ),
                lines(
                    "Are writes left unreplicated?",
                    "Writes not confirmed by a replica in time: they were not acknowledged.",
                    "none",
                    Query(risen("waits_failed", "instance"), "{{instance}}"),
                    bounds=Bounds(1, 10),
                ),
            ),
        ),
    ),
)
