"""Any traffic whatsoever: the session stays legal, and says nothing once it is over."""

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.connection.core.admission import Limits
from tests.support.session_oracle import WatchedSession
from tests.support.session_traffic import drive

_TIGHT = Limits(channels=2, waiting_commands=4, waiting_bytes=400, message_bytes=3000)
_DRAWN = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@settings(_DRAWN, max_examples=300)
@given(st.randoms(use_true_random=False))
def test_any_traffic_gets_legal_effects(rng: Random) -> None:
    drive(rng, WatchedSession(), steps=30)


@settings(_DRAWN, max_examples=200)
@given(st.randoms(use_true_random=False))
def test_any_traffic_stays_within_tight_limits(rng: Random) -> None:
    drive(rng, WatchedSession(_TIGHT), steps=30)


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0, max_value=1 << 32))
def test_long_lives_get_legal_effects(seed: int) -> None:
    """Seeded lives are longer than what Hypothesis can draw step by step."""
    rng = Random(seed)
    drive(rng, WatchedSession(_TIGHT if seed % 2 else None), steps=80)
