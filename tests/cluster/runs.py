"""How many runs a property gets: a few at every `make test`, many where CONTINUO_PROOF_RUNS asks for them."""

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings

MANY = int(os.environ.get("CONTINUO_PROOF_RUNS", "0"))
STRIDE = 1 if MANY else 41
"""Between two calls at which an operator is killed in turn: each one, or a few of them."""


def runs(few: int, share: float = 1.0) -> Any:
    """The settings of one property. share: of the many, for one whose runs take long."""
    common: dict[str, Any] = {
        "deadline": None,
        "database": None,
        "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
        # A run takes virtual minutes: what failed is told as it is, its seed makes it again.
        "phases": [Phase.explicit, Phase.generate],
    }
    if MANY:
        return settings(max_examples=max(few, int(MANY * share)), **common)
    return settings(max_examples=few, derandomize=True, **common)
