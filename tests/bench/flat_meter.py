"""Findings of `make flat` and how they are shown; what reads the memory of processes and of Redis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.shared.bus.house import Bus
from tests.bench.rig import Process

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was seen, what it had to be, and whether it was."""

    what: str
    seen: str
    wanted: str
    holds: bool


def grown(what: str, before: float, after: float, most_mib: float) -> Finding:
    """How much something grew, in bytes; it may by `most_mib`."""
    growth = (after - before) / MIB
    seen = f"{before / MIB:.1f} -> {after / MIB:.1f} MiB ({growth:+.1f})"
    return Finding(what, seen, f"at most {most_mib:+.1f} MiB", growth <= most_mib)


def exactly(what: str, seen: object, wanted: object) -> Finding:
    """Something that has to be so."""
    return Finding(what, str(seen), str(wanted), seen == wanted)


def at_most(what: str, seen: float, most: float, unit: str = "") -> Finding:
    """Something that has a bound."""
    return Finding(what, f"{seen:.0f}{unit}", f"at most {most:.0f}{unit}", seen <= most)


def table(found: Sequence[Finding]) -> str:
    """All findings as text."""
    columns = ["what", *(each.what for each in found)], ["seen", *(each.seen for each in found)]
    wide, wider = (max(map(len, column)) for column in columns)
    line: Callable[..., str] = f"{{:<{wide}}}  {{:<{wider}}}  {{:<24}}  {{}}".format
    rows = [line(each.what, each.seen, each.wanted, "yes" if each.holds else "NO") for each in found]
    return "\n".join([line("what", "seen", "wanted", "holds"), *rows])


def rss(process: Process) -> int:
    """Resident memory of a process, in bytes."""
    return process.rss_kib() * 1024


async def used_memory(bus: Bus) -> int:
    """What Redis says it uses, in bytes, without the ring it keeps for replicas: that is of one size."""
    memory = await bus.floor.commands.info("memory")
    return int(memory["used_memory"]) - int(memory["mem_total_replication_buffers"])
