"""Memory stays flat while a device does not read, and while no worker lives: `make flat SECONDS=60`.

Real processes: Redis with replicas and Sentinels, one connection process, one worker. Writes a table and ends
with 1 when anything grew above its bound, or was lost. A load of its own, which ends by itself, reaches them
over loopback. `SECONDS` is how long the device does not read; no worker lives for five times as long.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.bench.flat_meter import Finding, table
from tests.bench.flat_silent import no_worker_lives
from tests.bench.flat_slow import a_device_does_not_read
from tests.bench.rig import open_rig

SILENCES = 5
"""How much longer no worker lives than a device does not read."""


async def measure(seconds: float) -> list[Finding]:
    """Both, one after the other, each on fresh processes."""
    found: list[Finding] = []
    for part, length in ((a_device_does_not_read, seconds), (no_worker_lives, seconds * SILENCES)):
        with tempfile.TemporaryDirectory() as folder:
            async with open_rig(Path(folder)) as rig:
                found += await part(rig, length)
    return found


def main() -> int:
    """Measure, tell, judge."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    found = asyncio.run(measure(seconds))
    print(table(found))
    return 0 if all(each.holds for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
