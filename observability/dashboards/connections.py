"""Connections and drains: who comes, who is turned away, how pods are emptied."""

from __future__ import annotations

from observability.panels import Board, Bounds, Query, Row, lines, number
from observability.queries import most, quantile, rate, risen, series, total

BOARD = Board(
    "connections",
    "Continuo: connections and drains",
    "The connection service: devices that come and go, what they ask, and how pods are emptied.",
    (
        Row(
            "Who is connected?",
            (
                number(
                    "Devices connected now",
                    "Open connections of all pods.",
                    "none",
                    total("connections"),
                ),
                number(
                    "Subscriptions held now",
                    "Of connected devices, of all kinds of channel. A device has one to its user and one to "
                    "each open conversation.",
                    "none",
                    total("subscriptions"),
                ),
                number(
                    "Devices that read too slowly",
                    "What they are to get waits in an outbox; when that is full they are closed and recover.",
                    "none",
                    total("outboxes"),
                    bounds=Bounds(10, 100),
                ),
                number(
                    "Pods that drain",
                    "1 or more in a rollout; at rest 0. For long without an end: the row on drains below.",
                    "none",
                    total("draining"),
                    bounds=Bounds(1, 10),
                ),
                lines(
                    "Are connections spread evenly?",
                    "By pod. After a rollout, or when a pod was added, some time of unevenness is normal.",
                    "none",
                    Query(total("connections", "instance"), "{{instance}}"),
                    bounds=Bounds(4000, 5000),
                ),
            ),
        ),
        Row(
            "How full are pods?",
            (
                lines(
                    "How full is each pod?",
                    "Connections as a share of the most it takes (CONTINUO_MAX_CONNECTIONS). A full pod is "
                    "not ready and answers 503. Without a bound nothing is shown.",
                    "percentunit",
                    Query(
                        f"{series('connections')} / ({series('connections_limit')} > 0)",
                        "{{instance}}",
                    ),
                    bounds=Bounds(0.8, 0.95),
                    span=24,
                ),
            ),
        ),
        Row(
            "Who comes and goes?",
            (
                lines(
                    "How many connect?",
                    "Connections that got through. A peak is a rollout, a lost pod, or a network that came "
                    "back.",
                    "cps",
                    Query(rate("connections_opened"), "opened"),
                    bounds=Bounds(200, 400),
                ),
                lines(
                    "Why are connections closed?",
                    "By close code (docs/protocol.md): 3000 the device went, 3001 a drain, 3008 too slow, "
                    "3012 no pong, 3005 its token ran out.",
                    "cps",
                    Query(rate("disconnects", "code"), "{{code}}"),
                    bounds=Bounds(50, 200),
                ),
                lines(
                    "Who does not get in?",
                    "Connections that ended before they were through, by close code (3500: a bad token), "
                    "and handshakes refused, by why.",
                    "cps",
                    Query(rate("connections_refused", "code"), "closed {{code}}"),
                    Query(rate("handshakes_refused", "why"), "503, {{why}}"),
                    bounds=Bounds(1, 20),
                ),
                lines(
                    "Are slow devices closed?",
                    "Devices whose outbox was full. They recover by themselves; many at once mean a network "
                    "that is too narrow.",
                    "none",
                    Query(risen("slow_closes"), "closed as slow"),
                    bounds=Bounds(5, 50),
                ),
                lines(
                    "Why do subscriptions end?",
                    "By the server, by code: 2000 a member was removed, 2500 a channel moves after a "
                    "failover, 2501 a token ran out.",
                    "cps",
                    Query(rate("unsubscribes", "code"), "{{code}}"),
                    bounds=Bounds(5, 50),
                ),
            ),
        ),
        Row(
            "What do they ask?",
            (
                lines(
                    "How many commands are answered?",
                    "By method of the protocol.",
                    "cps",
                    Query(rate("commands", "method"), "{{method}}"),
                ),
                lines(
                    "Which commands fail?",
                    "By method and error code (docs/protocol.md): 100 is ours, 111 a full queue, others the "
                    "client's.",
                    "cps",
                    Query(rate("commands", "method", "code", where='code!="0"'), "{{method}} {{code}}"),
                    bounds=Bounds(0.5, 5),
                ),
                lines(
                    "How long do commands take?",
                    "Within which 99 % are answered, by method. After 4 s a command is answered with error "
                    "100.",
                    "s",
                    Query(quantile(0.99, "command_seconds", "method"), "{{method}}"),
                    bounds=Bounds(0.5, 2),
                ),
            ),
        ),
        Row(
            "What do back ends ask?",
            (
                lines(
                    "How many requests are answered?",
                    "Of the API for back ends, by route; other: none there is.",
                    "reqps",
                    Query(rate("api_requests", "route"), "{{route}}"),
                ),
                lines(
                    "Which requests fail?",
                    "By route and status: 5xx are ours (503 also: too many at once), 429 a full queue, 401 a "
                    "wrong key, other 4xx the back end's own; 499 it went away amid its request.",
                    "reqps",
                    Query(
                        rate("api_requests", "route", "status", where='status!="200"'), "{{route}} {{status}}"
                    ),
                    bounds=Bounds(0.5, 5),
                ),
                lines(
                    "How long do requests take?",
                    "Within which 99 % are answered, by route. After 4 s a request is answered with 503.",
                    "s",
                    Query(quantile(0.99, "api_seconds", "route"), "{{route}}"),
                    bounds=Bounds(0.5, 2),
                ),
                lines(
                    "How many are under way?",
                    "By pod. At CONTINUO_API_REQUESTS the next one is answered with 503.",
                    "none",
                    Query(total("api_under_way", "instance"), "{{instance}}"),
                    bounds=Bounds(200, 256),
                ),
            ),
        ),
        Row(
            "How do drains go on?",
            (
                lines(
                    "Which state is each pod in?",
                    "1 for the state: serving, lame duck, draining, emptied, gone.",
                    "none",
                    Query(series("drain_state") + " == 1", "{{instance}} {{state}}"),
                ),
                lines(
                    "What paces the closes?",
                    "Connections told to go elsewhere: by the fleet's budget, at the least rate of the "
                    "deadline, alone (Redis was away), or by the pod itself.",
                    "cps",
                    Query(rate("drain_closes", "pace"), "{{pace}}"),
                    bounds=Bounds(200, 400),
                ),
                lines(
                    "Is anybody cut?",
                    "Connections cut at a deadline with something under way, and times a pod had to go on "
                    "without the fleet's budget. Both should be 0.",
                    "none",
                    Query(risen("drain_forced"), "cut"),
                    Query(risen("drain_alone"), "budget not reached"),
                    bounds=Bounds(1, 10),
                ),
                lines(
                    "Is the fleet's budget too small?",
                    "Looks at which a pod wanted to close more than it was granted. Normal while several "
                    "drain; if it stays up and connections do not fall, the rate is too low.",
                    "cps",
                    Query(rate("drain_waits", "instance"), "{{instance}}"),
                    bounds=Bounds(2, 10),
                ),
                number(
                    "Has a pod drained for five minutes?",
                    "1 while any pod has been draining for 5 minutes on end.",
                    "none",
                    f"max(min_over_time({series('draining')}[5m]))",
                    bounds=Bounds(1, 1),
                ),
                number(
                    "Does any pod hear nothing?",
                    "1 while the live feed of a pod is deaf. It opens it anew; for over a minute it pages "
                    "somebody.",
                    "none",
                    most("feed_deaf"),
                    bounds=Bounds(1, 1),
                ),
            ),
        ),
    ),
)
