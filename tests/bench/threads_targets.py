"""What keeping threads may cost, and whether it does. Pure; called by run and the page."""

from collections.abc import Iterator

from tests.bench.threads_figures import OURS, STOCK, Threads

MOST_OVER_MS = {50: 15.0, 200: 25.0}
"""A 3-node turn beyond the in-memory saver's, by messages."""
LEAST_TURNS_S = 60.0
MOST_STALL = 0.25
"""Of the stock saver's."""
MOST_MIB = 2.0


def verdict(seen: Threads) -> Iterator[tuple[str, bool]]:
    """Each target in a line, and whether it is met."""
    for messages, most in MOST_OVER_MS.items():
        over = seen.over(OURS, 3, messages)
        yield (
            f"3-node turn at {messages} messages: {over:.1f} ms over in-memory (target {most:.0f})",
            over <= most,
        )
    crowd, stock = seen.crowd(OURS, 200), seen.crowd(STOCK, 200)
    yield (
        f"{crowd.turns_s:.0f} turns/s per core at 200 messages (target {LEAST_TURNS_S:.0f})",
        crowd.turns_s >= LEAST_TURNS_S,
    )
    share = crowd.stall.p99 / stock.stall.p99
    yield f"stall p99 {share:.2f} of the stock saver's (target {MOST_STALL})", share <= MOST_STALL
    kept = seen.kept
    yield (
        f"{kept.mib:.2f} MiB for {kept.messages} messages with everything (target {MOST_MIB})",
        kept.mib <= MOST_MIB,
    )
