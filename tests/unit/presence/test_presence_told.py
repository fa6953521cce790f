"""GET /census."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from services.presence.core.census import Census, Count
from services.presence.told import Shown
from services.shared.model.ids import NodeId


class Known:
    """One node, long silent."""

    census = Census({NodeId("a"): Count({"connections": 7, "hears": 1}, 12_345)})


def test_what_is_stale_is_marked_and_in_no_sum_and_what_is_not_known_is_no_zero() -> None:
    shown = Shown()
    client = TestClient(Starlette(routes=[shown.route()]))
    assert client.get("/census").status_code == 503
    shown.source = Known()
    told = client.get("/census").json()
    assert told["nodes"] == {"a": {"connections": 7, "age_s": 12.3, "stale": True}}
    assert told["sums"] == pytest.approx(dict.fromkeys(told["sums"], 0))
    assert told["sums"]["nodes"] == 0
