"""The ways in which all servers are replaced, and what each asks of the Deployment. Read by `play`."""

from dataclasses import dataclass

NEXT = "next"
"""The release to come, see `next_release`."""


@dataclass(frozen=True, slots=True)
class Way:
    """One replacement of every server. others: workers and presence are replaced, too, at the same time.
    at_most: reconnects per device that are no failure; 0: only measured. lets_in: whether a handshake that
    is refused is a failure; else only measured.
    """

    name: str
    told: str
    surge: str = "100%"
    operator: bool = True
    release: str = ""
    others: bool = False
    at_most: int = 0
    lets_in: bool = True


SURGE = Way("surge", "100 % surge, with the operator", at_most=1)
QUARTER = Way("quarter", "25 % surge, with the operator", surge="25%", lets_in=False)
ALONE = Way("alone", "100 % surge, without an operator", operator=False)
THERE = Way(
    "there",
    "upgrade to the next release: 100 % surge, with the operator",
    release=NEXT,
    others=True,
    at_most=1,
)
BACK = Way("back", "roll back to this release: 100 % surge, with the operator", others=True, at_most=1)

CONTROL = (ALONE,)
"""What a control run plays: without the operator the servers' own care is all there is."""
SHORT = (THERE, BACK)
"""What CI runs: the first way, across versions."""
WHOLE = (SURGE, QUARTER, ALONE, THERE, BACK)
