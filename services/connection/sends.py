"""What became of messages that were sent, by whichever door: the objectives rest on it.

Called by reception.py and api/.
"""

from services.shared.runtime.metrics import Metrics
from services.shared.wire.codes import INTERNAL, TOO_MANY_REQUESTS


def count_send(metrics: Metrics, code: int, seconds: float, exemplar: dict[str, str] | None) -> None:
    """A message was accepted, or not: what the sender waited, and why not. code: of the error, 0: none."""
    if not code:
        metrics.accept_seconds.observe(seconds, exemplar)
    metrics.sends.labels(outcome=became(code)).inc()


def became(code: int) -> str:
    """In one word: whose fault it was decides whether the objective counts it."""
    return {0: "accepted", TOO_MANY_REQUESTS.code: "busy", INTERNAL.code: "failed"}.get(code, "refused")
