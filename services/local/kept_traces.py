"""The file of traces beside `continuo up`: what makes services write it, and what keeps it bounded.

Called by `continuo up`. Every process opens the file anew for each batch, so it can be moved away at any
time: when it is full it becomes the older part, in the place of the one before, and a new one begins. So
there are two parts at most, each of `FULL_BYTES` and what a second brings.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from services.local.home import Home

INTO_VARIABLE = "CONTINUO_TRACES"
FILE_VARIABLE = "CONTINUO_TRACES_FILE"
RATIO_VARIABLE = "CONTINUO_TRACES_RATIO"
ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
FULL_BYTES = 32 * 2**20
_LOOK_EVERY_S = 1.0


def settings(home: Home, environ: Mapping[str, str]) -> dict[str, str]:
    """What services are told of traces: the environment's word where it has one, else all, into the folder's
    file. Empty: they are left to the environment.
    """
    into = environ.get(INTO_VARIABLE, "")
    if into not in {"", "file"} or (not into and any(map(environ.get, ENDPOINT_VARIABLES))):
        return {}
    return {
        INTO_VARIABLE: "file",
        FILE_VARIABLE: environ.get(FILE_VARIABLE) or str(home.traces),
        RATIO_VARIABLE: environ.get(RATIO_VARIABLE) or "1",
    }


def older(path: Path) -> Path:
    """Where the part is that was moved away."""
    return path.with_name(path.name + ".1")


def moved_if_full(path: Path, full_bytes: int = FULL_BYTES) -> bool:
    """Begins a new part if this one is full; whether it was."""
    try:
        if path.stat().st_size < full_bytes:
            return False
        path.replace(older(path))
    except FileNotFoundError:
        return False
    return True


async def keep_bounded(path: Path) -> None:
    """Looks every second, until cancelled."""
    while True:
        moved_if_full(path)
        await asyncio.sleep(_LOOK_EVERY_S)
