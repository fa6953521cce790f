"""The chart renders: what it needs is named, and what it does not know is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helm_python import Chart, HelmRenderError, HelmValuesError

CHART = Path(__file__).parents[2] / "charts" / "continuo"
PRODUCTION: dict[str, Any] = {
    "tokens": {"existingSecret": "continuo-tokens"},
    "admin": {"existingSecret": "continuo-admin"},
    "redis": {"sentinels": ["sentinel-0.redis:26379"], "existingSecret": "continuo-redis"},
}


def test_what_a_plain_install_lacks_is_named_all_at_once() -> None:
    with pytest.raises(HelmRenderError) as refused:
        Chart.load(str(CHART)).render({}, name="continuo", namespace="talk")
    for value in ("tokens.existingSecret", "admin.existingSecret", "redis.sentinels", "redis.existingSecret"):
        assert value in str(refused.value)


def test_an_unknown_value_is_refused() -> None:
    with pytest.raises(HelmValuesError, match="repliccas"):
        Chart.load(str(CHART)).render({**PRODUCTION, "repliccas": 3}, name="continuo", namespace="talk")


def test_a_grace_beyond_what_nodes_wait_is_refused_with_its_arithmetic() -> None:
    values = {**PRODUCTION, "drain": {"podRatePerSecond": 5}}
    with pytest.raises(HelmRenderError, match=r"C/r      = 5000 / 5 = 1000 s"):
        Chart.load(str(CHART)).render(values, name="continuo", namespace="talk")
