"""How many runs a property gets: a few at every `make test`, many where CONTINUO_PROOF_RUNS asks for them."""

import os
from typing import Any

from hypothesis import HealthCheck, settings

MANY = int(os.environ.get("CONTINUO_PROOF_RUNS", "0"))


def runs(few: int, share: float = 1.0) -> Any:
    """The settings of one property. share: of the many, for one whose runs take long."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    if MANY:
        return settings(max_examples=max(few, int(MANY * share)), deadline=None, suppress_health_check=slow)
    return settings(
        max_examples=few, deadline=None, suppress_health_check=slow, derandomize=True, database=None
    )
