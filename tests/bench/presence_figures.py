"""What presence costs: figures of one run, the verdict, the page's section. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

MOST_BYTES = 200.0
"""A second, for each reader of 10,000 of whom 1 % a second come or go: one number in two seconds."""


@dataclass(frozen=True)
class Readers:
    """Bytes. counted, told: a second and reader, with numbers, and with each join and leave. page: of 100
    users; stats: of `presence_stats`.
    """

    counted: float
    told: float
    page: int
    stats: int


@dataclass(frozen=True)
class Presence:
    """A run: what the service does for a second of processor time, and what readers get."""

    beats: float
    leaves: float
    seats: float
    readers: Readers


def verdict(seen: Presence) -> Iterable[tuple[str, bool]]:
    """The targets, and whether they are met."""
    told = f"{seen.readers.counted:.0f} bytes a second for a reader of 10,000 (target {MOST_BYTES:.0f})"
    return [(told, seen.readers.counted <= MOST_BYTES)]


def section(seen: Presence) -> list[str]:
    """Of docs/benchmarks.md."""
    readers = seen.readers
    return [
        "## Presence",
        "",
        "The service's own code against a real Redis; a CPU second is one of that code alone. Readers: a",
        "conversation of 10,000 users, of whom 100 a second come or go, framed as for a device.",
        "",
        "| what the service does | a CPU second |",
        "| --- | --- |",
        f"| beats of 300 nodes, read and judged | {seen.beats:,.0f} |",
        f"| leaves announced | {seen.leaves:,.0f} |",
        f"| seats of a dead node freed | {seen.seats:,.0f} |",
        "",
        "| what a reader gets | bytes |",
        "| --- | --- |",
        f"| a second, numbers in place of joins and leaves | {readers.counted:,.0f} |",
        f"| a second, if each were told | {readers.told:,.0f} |",
        f"| a page of 100 users, when it asks | {readers.page:,} |",
        f"| `presence_stats`, when it asks | {readers.stats:,} |",
        "",
        f"Target: at most {MOST_BYTES:.0f} bytes a second.",
        "",
    ]
