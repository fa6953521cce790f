"""Which turns are worth a trace whatever was sampled: what a person who asks why would want to look at.

Called by `trail` at a turn's end; every process that hears of the end keeps what it has of the trace.
"""

from typing import Literal

from services.shared.model.events import Keep, Outcome


def noteworthy(
    outcome: Outcome, *, tries: int, disturbed: bool, waited_s: float, slow_s: float
) -> Keep | Literal[""]:
    """Why the turn's trace is kept; empty: it is not.

    tries: executions of it, but for those that were handed over in order. disturbed: something was lost and
    mended meanwhile. waited_s: from its being queued to its end.
    """
    if outcome == "failed":
        return "failed"
    if tries > 1 or disturbed:
        return "fault"
    return "slow" if waited_s > slow_s else ""
