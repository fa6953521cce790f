"""`continuo doctor --keys`: all keys of a Redis as a table by kind, and what is wrong with any of them.

Called by `doctor`. The inventory counts and judges; here it becomes words.
"""

from collections.abc import Iterator, Sequence

from services.local.reached import reached_bus
from services.shared.bus.key_faults import Count, Fault, Tally
from services.shared.bus.key_table import ROWS
from services.shared.bus.settings import RedisSettings
from services.shared.model.errors import ContinuoError

MOST_NAMED = 20
"""Faults of one kind that are printed; the rest is a number."""

_HEADINGS = ("keys", "bytes", "no TTL", "orphans")


async def looked_through(settings: RedisSettings) -> int:
    """Print the table; returns the exit code."""
    try:
        async with reached_bus(settings, "doctor") as bus:
            tally = await bus.inventory.take()
    except ContinuoError as error:
        print(f"continuo doctor: {error}")
        return 1
    print("\n".join(report(tally)))
    return 1 if tally.faults else 0


def report(tally: Tally) -> Iterator[str]:
    """The lines that are printed: a line for each kind of key that is there, then the faults."""
    width = max((len(row.pattern) for row in tally.counts), default=0)
    yield f"{'key':{width}}" + "".join(f"{heading:>12}" for heading in _HEADINGS)
    for row in ROWS:
        if count := tally.counts.get(row):
            yield f"{row.pattern:{width}}" + "".join(f"{number:>12}" for number in _numbers(count))
    keys = sum(count.keys for count in tally.counts.values())
    yield ""
    if not tally.faults:
        yield f"{keys} keys, each with an owner and within its bounds"
        return
    for kind in sorted({fault.wrong for fault in tally.faults}):
        yield from _named([fault for fault in tally.faults if fault.wrong is kind])
    yield f"{keys} known keys, {len(tally.faults)} faults"


def _numbers(count: Count) -> tuple[int, ...]:
    return count.keys, count.bytes, count.staying, count.orphans


def _named(faults: Sequence[Fault]) -> Iterator[str]:
    for fault in faults[:MOST_NAMED]:
        yield f"BAD   {fault.wrong}: {fault.key}" + (f" ({fault.detail})" if fault.detail else "")
    if len(faults) > MOST_NAMED:
        yield f"      and {len(faults) - MOST_NAMED} more {faults[0].wrong}"
