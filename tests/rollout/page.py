"""docs/rollout.md and its curve, made of what a run measured: `python -m tests.rollout.page [--check]`.

The figures are those of the last `make rollout`, kept in docs/rollout.json.
"""

import sys
from pathlib import Path

import msgspec

from services.shared.bus.drain_budget import most_kept
from tests.rollout.curve import drawn
from tests.rollout.measure import Measured, Results, Spread

DOCS = Path(__file__).parents[2] / "docs"
FIGURES, PAGE, CURVE = DOCS / "rollout.json", DOCS / "rollout.md", DOCS / "rollout.svg"

HEAD = """# Rollouts, measured

Made by `make docs` from [rollout.json](rollout.json), which `make rollout` writes; the words are those
of [tests/rollout/page.py](../tests/rollout/page.py).

Three connection servers stand behind a real HAProxy in TCP mode: at random, without checks or retries, as a
Service is. Devices on the official Python client, in processes of their own, talk in conversations whose
answers stream all the while; every three seconds or so a newcomer opens one for the first time. Then every
server is replaced. Deployment, ReplicaSets and kubelet are those of the project's own simulated cluster,
moved along by the real clock; what runs in its pods are real servers; what the operator's own `gather`,
`decide` and `apply` do there reaches the endpoints one to five seconds later. In the last two ways the new
servers, workers and presence are of [a release to come](design/20261128.formats.md), which writes other
formats, and of this one again, while both are at work.

At the end [the failure campaign's checker](../tests/chaos/README.md) compares what every device was handed
with what the house holds. The run fails, too, when a device reconnects more than once in a way that promises
one, when a handshake is refused where all are to be let in, and when the servers close faster than their
fleet's budget lets them. `make rollout-short` is a short form, with 120 devices; `make rollout-controls`
takes out one protection at a time, each of which must be missed.
"""

PACED = """
Closes are counted where they are paced: each server logs every look at which it sent devices away, by its own
clock ([draining](drain.md)). The fleet's budget grants {rate} a second (R) and keeps at most {kept:.0f}, so
within t seconds, whichever, there are at most {kept:.0f} + {rate} x t closes: R + 10 % within one. Every span
between two looks is judged by that. Beyond it are allowed:

* R for each second from asking the budget to the closes, as a close may be granted so much earlier;
* one close for each server that drains: its deadline's floor goes on, in whole closes, whatever is granted;
* closes made while Redis was not there to ask.

The *tightest* span is the one that used most of what it may. There is time enough in each way, so no floor is
an excuse for more.
"""

MEANING = """
A *hop* is a connection that a device lost. A *stall* lasts from there until it follows its conversation
again; a newcomer's, from its first try until it does. A *silence* is the longest that a device waited for
anything it was owed (an acknowledgement, news of an answer), hop or not. All of it was measured on a
machine of two cores that ran everything at once, the devices and other work too: closes that pods pace are
seen late by devices that have to wait for a core, and then several together.
"""


UNPACED = """How fast servers closed was not measured yet in this run; the next one tells, and fails on it.
"""


def page(results: Results) -> str:
    """The whole page."""
    return "\n".join(
        [
            HEAD,
            _found(results),
            _hops(results.ways),
            *_paced(results),
            _waits(results.ways),
            _curve(results),
            MEANING,
        ]
    )


def _found(results: Results) -> str:
    kinds = ", ".join(sorted({each.partition(":")[0] for each in results.violations}))
    found = f"**{len(results.violations)} violations** ({kinds})" if results.violations else "no violation"
    first = "".join(f"\n* {each}" for each in results.violations[:3])
    return (
        f"## What was measured\n\n{results.devices} devices (seed {results.seed}), {results.events} events, "
        f"{results.acknowledged} acknowledged messages: {found}.\n{first}\n"
    ).rstrip("\n") + "\n"


def _hops(ways: list[Measured]) -> str:
    lines = [
        "| way | took | hops | most of one device | refused handshakes | begun in 1 s, as devices saw it |"
    ]
    lines.append("|---|---:|---|---:|---|---:|")
    for way in ways:
        hops = ", ".join(f"{count} devices {_times(number)}" for number, count in way.hops.items())
        refused = ", ".join(f"{count} ({why})" for why, count in way.refused.items()) or "none"
        most = max(way.hops, default=0)
        lines.append(f"| {way.told} | {way.seconds:.0f} s | {hops} | {most} | {refused} | {way.closes} |")
    return "\n".join(lines) + "\n"


def _times(number: int) -> str:
    return {0: "none", 1: "once", 2: "twice"}.get(number, f"{number} times")


def _paced(results: Results) -> list[str]:
    """How fast servers closed, where that was measured."""
    paced = [(way.told, way.pace) for way in results.ways if way.pace is not None]
    if not paced:
        return [UNPACED]
    lines = ["| way | closes by servers | most in 1 s | tightest span | longest delay | without Redis |"]
    lines.append("|---|---:|---:|---|---:|---:|")
    lines += [
        f"| {told} | {pace.closes} | {pace.in_a_second} | {pace.tightest or '-'} | {pace.delay_ms} ms |"
        f" {pace.alone} |"
        for told, pace in paced
    ]
    meaning = PACED.format(rate=results.rate, kept=most_kept(results.rate))
    return ["\n".join(lines) + "\n" + meaning]


def _waits(ways: list[Measured]) -> str:
    lines = [
        "| way | stalls of devices, p50 / p99 / most | of newcomers | silences |",
        "|---|---:|---:|---:|",
    ]
    for way in ways:
        cells = (way.told, _spread(way.stalls), _spread(way.newcomers), _spread(way.silences))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    return " / ".join(f"{each:.0f}" for each in (spread.p50, spread.p99, spread.most)) + " ms"


def _curve(results: Results) -> str:
    told = f"Reconnects in each second of each way, and the {results.rate} a second that may be closed"
    return f"![{told}](rollout.svg)\n"


def main() -> int:
    """Write page and curve, or with --check say whether they are fresh."""
    results = msgspec.json.decode(FIGURES.read_bytes(), type=Results)
    made = {PAGE: page(results), CURVE: drawn(results.ways, results.rate)}
    if "--check" not in sys.argv:
        for file, text in made.items():
            file.write_text(text)
        return 0
    stale = [file.name for file, text in made.items() if not file.exists() or file.read_text() != text]
    for name in stale:
        print(f"docs/{name} is not fresh: make docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
