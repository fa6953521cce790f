"""A life of one session under watch (tests/support/session_oracle.py), fed mutated traffic."""

from random import Random

from services.connection.core.admission import Limits
from tests.support.session_oracle import WatchedSession
from tests.support.session_traffic import drive

_LIMITS = (Limits(), Limits(channels=2, waiting_commands=4, waiting_bytes=400, message_bytes=3000))


def live_once(seed: int) -> None:
    """One connection's life; raises what is wrong."""
    drive(Random(seed), WatchedSession(_LIMITS[seed % 2]), steps=60)
