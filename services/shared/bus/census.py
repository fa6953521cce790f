"""The census as it stands in Redis: what each node holds, for those who do not ask the presence service.

Written by the presence service once a sweep; read by the API and by tools. Must never show what is stale as
if it were so, nor as nothing.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from services.shared.bus import keys as names
from services.shared.bus.floor import Floor
from services.shared.bus.sentinel import mapped

TTL_MS = 60_000
"""What nobody wrote anew for so long is forgotten."""
STALE_S = 10.0
"""Numbers that are older may be wrong."""


class Censuses:
    """Writes and reads it."""

    def __init__(self, floor: Floor) -> None:
        self._scripts = floor.scripts
        self._commands = floor.commands

    async def write(self, told: Mapping[str, Any]) -> None:
        """Write down `nodes` and `sums`. Raises Temporary."""
        flat = [part for node, count in told["nodes"].items() for part in (node, msgspec.json.encode(count))]
        sums = msgspec.json.encode(told["sums"])
        await self._scripts.run("census", [names.CENSUS], [TTL_MS, sums, *flat])

    async def read(self) -> dict[str, Any]:
        """What was written last: `nodes`, `sums`, and whether it is `stale`: then there are no sums. Raises
        BusUnavailable.
        """
        async with mapped("census"):
            seconds, microseconds = await self._commands.time()
            found: Any = await self._commands.hgetall(names.CENSUS)
        return _as_of(found, seconds * 1000 + microseconds // 1000)


def _as_of(found: Mapping[bytes, bytes], now_ms: int) -> dict[str, Any]:
    sums = msgspec.json.decode(found.get(b"sums", b"{}"))
    age_s = max(0.0, (now_ms - sums.pop("at_ms", now_ms)) / 1000)
    nodes = {name.decode(): msgspec.json.decode(told) for name, told in found.items() if name != b"sums"}
    for told in nodes.values():
        told["age_s"] = round(told["age_s"] + age_s, 1)
        told["stale"] = told["stale"] or told["age_s"] > STALE_S
    known = bool(sums) and age_s <= STALE_S
    return {"nodes": nodes, "sums": sums if known else {}, "stale": not known}
