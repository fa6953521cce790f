"""How the census is told: as JSON at /census, and in Redis for those who are elsewhere.

Called by `app` (the page) and `sweep` (Redis, by the replica that holds the first shard).
"""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.presence.core.census import Census
from services.shared.model.presence import NUMBERS

JSON = "application/json"


def told(census: Census) -> dict[str, Any]:
    """Each node, and the sums of those that are not stale."""
    nodes = {
        node: _node(count.numbers, count.age_ms, stale=count.stale) for node, count in census.counts.items()
    }
    totals = census.totals
    return {
        "nodes": nodes,
        "sums": {"nodes": census.nodes, **{name: totals.get(name, 0) for name in NUMBERS}},
    }


class Source(Protocol):
    """Who knows it. None: nobody was looked at yet."""

    @property
    def census(self) -> Census | None: ...


class Shown:
    """GET /census. `source` comes once there is one: pages are served before Redis is reached."""

    def __init__(self) -> None:
        self.source: Source | None = None

    def route(self) -> Route:
        """The page: 503 as long as nothing is known, which must not look like nobody."""
        return Route("/census", self._answer)

    async def _answer(self, _: Request) -> Response:
        census = self.source.census if self.source else None
        if census is None:
            return Response(b'{"error":"not known yet"}', status_code=503, media_type=JSON)
        return Response(msgspec.json.encode(told(census)), media_type=JSON)


def _node(numbers: Mapping[str, int], age_ms: int, *, stale: bool) -> dict[str, Any]:
    """A number a node of an earlier release does not say is not there."""
    said = {name: numbers[name] for name in NUMBERS if name in numbers}
    return {**said, "age_s": round(age_ms / 1000, 1), "stale": stale}
