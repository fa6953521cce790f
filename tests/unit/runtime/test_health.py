import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.applications import Starlette

from services.shared.runtime.health import Finding, Health, routes
from services.shared.runtime.metrics import Metrics


async def get(
    health: Health, path: str, metrics: Metrics | None = None, headers: dict[str, str] | None = None
) -> httpx.Response:
    app = Starlette(routes=routes(health, (metrics or Metrics()).registry))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
        return await client.get(path, headers=headers)


@pytest.fixture
def health() -> Health:
    health = Health()
    health.started = True
    return health


async def test_a_process_is_live_from_its_first_moment_and_ready_once_started():
    health = Health()
    assert (await get(health, "/livez")).status_code == 200
    assert (await get(health, "/readyz")).status_code == 503
    health.started = True
    assert (await get(health, "/readyz")).status_code == 200


async def test_a_draining_process_is_live_but_not_ready(health: Health):
    health.draining = True
    assert (await get(health, "/livez")).status_code == 200
    answer = await get(health, "/readyz")
    assert (answer.status_code, answer.text) == (503, "draining")


async def test_who_serves_to_the_end_stays_ready_while_it_drains_but_not_after_a_crash(health: Health):
    health.draining = health.ready_to_the_end = True
    assert (await get(health, "/readyz")).status_code == 200
    assert (await get(health, "/health")).json()["draining"] is True
    health.crash = "feed"
    answer = await get(health, "/readyz")
    assert (answer.status_code, answer.text) == (503, "not ready")


async def test_a_crash_is_named_and_ends_liveness(health: Health):
    health.crash = "sweep"
    answer = await get(health, "/livez")
    assert (answer.status_code, answer.text) == (503, "crashed: sweep")


async def test_readiness_follows_its_own_checks_only(health: Health):
    full = False
    health.ready_when("room", lambda: Finding.of(not full))
    health.report("redis", lambda: Finding.of(False, master=None))
    assert (await get(health, "/readyz")).status_code == 200
    full = True
    assert (await get(health, "/readyz")).status_code == 503


async def test_the_whole_state_shows_every_check_with_its_facts(health: Health):
    health.ready_when("room", lambda: Finding.of(True, connections=7))
    health.report("redis", lambda: Finding.of(False, failovers=2))
    answer = await get(health, "/health")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "room": {"ok": True, "connections": 7},
        "redis": {"ok": False, "failovers": 2},
    }
    assert answer.json()["ready"] is True


async def test_the_metrics_page_speaks_prometheus(health: Health):
    metrics = Metrics()
    metrics.connections.set(5)
    answer = await get(health, "/metrics", metrics)
    assert "continuo_connections 5.0" in answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")


PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""What it says that it accepts."""


async def test_who_asks_for_openmetrics_gets_it_with_exemplars_and_nobody_else_does(health: Health):
    metrics = Metrics()
    metrics.accept_seconds.observe(0.003, {"trace_id": "4bf9"})
    metrics.turns.labels(outcome="completed").inc()
    asked = await get(health, "/metrics", metrics, {"accept": PROMETHEUS})
    assert asked.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in text_string_to_metric_families(asked.text)}
    [named] = [one.exemplar for one in families["continuo_accept_seconds"].samples if one.exemplar]
    assert named.labels == {"trace_id": "4bf9"}
    assert families["continuo_turns"].type == "counter"
    plain = await get(health, "/metrics", metrics)
    assert "trace_id" not in plain.text
    assert "# EOF" not in plain.text
