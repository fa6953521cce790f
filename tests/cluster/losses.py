"""Losses that nobody announced, over all runs of a session:

Counted here, printed at its end (conftest.py).
"""

from dataclasses import dataclass


@dataclass
class Tally:
    runs: int = 0
    clients: int = 0
    losses: int = 0


TALLY = Tally()


def report(losses: int, clients: int) -> None:
    """One run is over."""
    TALLY.runs += 1
    TALLY.clients += clients
    TALLY.losses += losses
