from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from services.shared.runtime.metrics import PREFIX, Metrics


def test_a_metric_counts_under_the_houses_prefix():
    metrics = Metrics()
    metrics.commands.labels(method="rpc", code="0").inc()
    metrics.connections.set(3)
    page = generate_latest(metrics.registry).decode()
    assert 'continuo_commands_total{code="0",method="rpc"} 1.0' in page
    assert "continuo_connections 3.0" in page


def test_two_processes_copies_do_not_share_counts():
    one, other = Metrics(), Metrics(CollectorRegistry())
    one.slow_closes.inc()
    assert other.registry.get_sample_value("continuo_slow_closes_total") == 0.0


def test_a_spread_counts_into_the_buckets_of_its_row():
    metrics = Metrics()
    metrics.accept_seconds.observe(0.003)
    sample = metrics.registry.get_sample_value
    assert sample("continuo_accept_seconds_bucket", {"le": "0.0025"}) == 0.0
    assert sample("continuo_accept_seconds_bucket", {"le": "0.005"}) == 1.0


def test_every_row_says_what_it_means_and_has_what_its_kind_needs():
    rows = list(Metrics.table())
    assert len(rows) > 40
    for row in rows:
        assert len(row.meaning) > 15, row.name
        assert bool(row.buckets) == (row.kind is Histogram), row.name
        assert row.kind is not Histogram or row.name.endswith(("_seconds", "_bytes", "_per_second")), row.name
        assert row.kind is not Counter or not row.name.endswith("_total"), row.name


def test_every_row_is_registered_under_its_name():
    registered = {family.name for family in Metrics().registry.collect()}
    ours = {name for name in registered if not name.startswith("process_")}
    assert ours == {PREFIX + row.name for row in Metrics.table()}


def test_a_process_tells_its_processor_memory_and_open_files():
    registered = {family.name for family in Metrics().registry.collect()}
    assert {"process_cpu_seconds", "process_resident_memory_bytes", "process_open_fds"} <= registered


def test_values_that_are_known_are_there_at_0_before_anything_happens():
    sample = Metrics().registry.get_sample_value
    assert sample("continuo_turns_total", {"outcome": "failed"}) == 0.0
    assert sample("continuo_recoveries_total", {"outcome": "reset"}) == 0.0
    assert sample("continuo_sends_total", {"outcome": "busy"}) == 0.0


def test_names_that_users_make_are_labels_only_if_they_are_configured():
    metrics = Metrics(names=("gpt-5", "search"))
    named = [metrics.named(name) for name in ("gpt-5", "search", "Search", "", "other", "my tool")]
    assert named == ["gpt-5", "search", "other", "other", "other", "other"]
    assert Metrics().named("gpt-5") == "other"
