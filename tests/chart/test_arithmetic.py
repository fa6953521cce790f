"""The chart's sums are the operator's: rendered, or refused with the numbers, and never anything else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from helm_python import HelmRenderError, HelmValuesError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from continuo_operator.arithmetic import (
    MIN_PROGRESS_S,
    Infeasible,
    Times,
    batches,
    drain_seconds,
    expected_hops,
    surge_pods,
    times,
)
from tests.support.chart import (
    INSTALLS,
    PRODUCTION,
    WITHOUT_OPERATOR,
    Object,
    Rendered,
    default_values,
    merged,
    render,
)

NUMBERS = st.fixed_dictionaries(
    {
        "capacityPerPod": st.integers(1, 100_000),
        "podRatePerSecond": st.integers(1, 5_000),
        "fleetRatePerSecond": st.integers(1, 20_000),
        "propagationSeconds": st.integers(0, 300),
        "maxGraceSeconds": st.integers(30, 3600),
    }
)


SURGES = st.one_of(st.just("100%"), st.integers(1, 100).map("{}%".format), st.integers(1, 200))


def values_of(
    drain: dict[str, int], pods: int, *, operator: bool, surge: str | int = "100%"
) -> dict[str, Any]:
    if not operator:
        more = {"drain": drain, "connection": {"replicas": pods, "maxSurge": surge}}
        return merged(WITHOUT_OPERATOR, more)
    target = min(2000, drain["capacityPerPod"])
    scaling = {"min": 1, "max": pods, "targetConnectionsPerPod": target}
    more = {"drain": drain, "connection": {"maxSurge": surge}, "operator": {"scaling": scaling}}
    return merged(PRODUCTION, more)


def expected(drain: dict[str, int], pods: int, *, operator: bool, surge: str | int = "100%") -> Times:
    return times(
        capacity=drain["capacityPerPod"],
        pod_rate=drain["podRatePerSecond"],
        fleet_rate=drain["fleetRatePerSecond"],
        max_pods=pods,
        propagation=drain["propagationSeconds"],
        max_grace=drain["maxGraceSeconds"],
        with_operator=operator,
        surge=surge,
    )


def others(values: dict[str, Any]) -> int:
    """What helm has to wait for workers and presence, whose batches take 60 s to start and 5 s of holding."""
    most = 0
    for one in ("conversation", "presence"):
        given = default_values()[one] | values.get(one, {})
        pods = given["replicas"]
        rolled = batches(pods=pods, surge=surge_pods(given["maxSurge"], pods)) * 65
        most = max(most, rolled + 60, MIN_PROGRESS_S + 60, given.get("drainSeconds", 0) + 120 + 60)
    return most


def connection(rendered: Rendered) -> tuple[Object, Object, dict[str, str]]:
    """The Deployment's spec, the pod's, and its environment."""
    spec = rendered.one("Deployment", "continuo-connection")["spec"]
    pod = spec["template"]["spec"]
    return spec, pod, {one["name"]: one.get("value", "") for one in pod["containers"][0]["env"]}


def assert_sums(rendered: Rendered, wanted: Times, drain: dict[str, int], *, operator: bool) -> None:
    spec, pod, env = connection(rendered)
    assert pod["terminationGracePeriodSeconds"] == wanted.grace
    assert spec["minReadySeconds"] == wanted.min_ready
    assert spec["progressDeadlineSeconds"] == wanted.progress_deadline
    assert env["CONTINUO_DRAIN_S"] == str(wanted.drain)
    assert env["CONTINUO_MAX_CONNECTIONS"] == str(drain["capacityPerPod"])
    assert env["CONTINUO_POD_RATE"] == str(drain["podRatePerSecond"])
    assert env["CONTINUO_FLEET_RATE"] == str(drain["fleetRatePerSecond"])
    assert env["CONTINUO_PROPAGATION_S"] == str(drain["propagationSeconds"])
    assert f"--timeout {max(wanted.helm_timeout, others({}))}s" in rendered.notes
    assert ("replicas" in spec) is not operator
    if operator:
        [fleet] = rendered.of("ConnectionFleet")
        deadline = drain["propagationSeconds"] + wanted.drain
        assert fleet["spec"]["drain"]["deadlineSeconds"] == deadline
        assert fleet["metadata"]["name"] == env["CONTINUO_FLEET"]


@given(drain=NUMBERS, pods=st.integers(1, 200), operator=st.booleans(), surge=SURGES)
@example(
    drain={
        "capacityPerPod": 5000,
        "podRatePerSecond": 100,
        "fleetRatePerSecond": 200,
        "propagationSeconds": 5,
        "maxGraceSeconds": 272,
    },
    pods=10,
    operator=True,
    surge="25%",
)
@settings(max_examples=60, deadline=None)
def test_it_renders_or_refuses_with_the_numbers(
    drain: dict[str, int], pods: int, operator: bool, surge: str | int
) -> None:
    values = values_of(drain, pods, operator=operator, surge=surge)
    try:
        wanted = expected(drain, pods, operator=operator, surge=surge)
    except Infeasible:
        assert_refused_with_numbers(values, drain, pods)
        return
    assert_sums(render(values), wanted, drain, operator=operator)


def assert_refused_with_numbers(values: dict[str, Any], drain: dict[str, int], pods: int) -> None:
    with pytest.raises(HelmRenderError) as refused:
        render(values)
    said = str(refused.value)
    capacity, fleet_rate = drain["capacityPerPod"], drain["fleetRatePerSecond"]
    needed = drain_seconds(
        capacity=capacity, pod_rate=drain["podRatePerSecond"], fleet_rate=fleet_rate, pods=pods
    )
    grace = 2 + drain["propagationSeconds"] + needed + 5 + 10
    assert f"a grace of {grace} s, and drain.maxGraceSeconds is {drain['maxGraceSeconds']}." in said
    assert f"{capacity} / {drain['podRatePerSecond']} = " in said
    assert f"{pods} * {capacity} / {fleet_rate} = " in said
    assert_advice_fits(said, drain, pods)


def assert_advice_fits(said: str, drain: dict[str, int], pods: int) -> None:
    advice = re.search(
        r"podRatePerSecond of at least (\d+) and drain.fleetRatePerSecond of at least (\d+)", said
    )
    if advice is None:
        assert drain["maxGraceSeconds"] <= 2 + drain["propagationSeconds"] + 5 + 10
        return
    better = drain | {"podRatePerSecond": int(advice[1]), "fleetRatePerSecond": int(advice[2])}
    assert expected(better, pods, operator=True).grace <= drain["maxGraceSeconds"]


JUNK = st.one_of(
    st.none(), st.text(max_size=5), st.floats(0, 10), st.integers(-5, 0), st.just([]), st.just({})
)


@given(key=st.sampled_from(sorted(default_values()["drain"])), junk=JUNK)
@settings(max_examples=30, deadline=None)
def test_what_is_no_number_never_gets_into_a_sum(key: str, junk: Any) -> None:
    """A null takes the default away in Helm; that has to be refused, not read as nothing."""
    values = merged(PRODUCTION, {"drain": {key: junk}})
    try:
        rendered = render(values)
    except (HelmValuesError, HelmRenderError):
        return
    numbers = default_values()["drain"] | {key: int(junk)}
    assert junk == int(junk)
    assert_sums(rendered, expected(numbers, 10, operator=True), numbers, operator=True)


PATHS = st.sampled_from(
    [
        (),
        ("drain",),
        ("connection",),
        ("connection", "service"),
        ("operator", "scaling", "up"),
        ("redis",),
        ("tokens",),
    ]
)


@given(path=PATHS, key=st.from_regex(r"[a-z][a-zA-Z]{3,12}", fullmatch=True))
@settings(max_examples=30, deadline=None)
def test_an_unknown_key_is_refused_wherever_it_stands(path: tuple[str, ...], key: str) -> None:
    known: Any = default_values()
    for step in path:
        known = known[step]
    if key in known or (not path and key == "global"):
        return
    more: dict[str, Any] = {key: 1}
    for step in reversed(path):
        more = {step: more}
    with pytest.raises(HelmValuesError, match=key):
        render(merged(PRODUCTION, more))


def test_surge_is_all_and_nothing_is_unavailable_as_it_comes() -> None:
    spec, pod, _ = connection(render(PRODUCTION))
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": "100%"}
    assert pod["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 2}}}


@pytest.mark.parametrize("surge", ["25%", "40%", "50%", 1, 3, 6, 9])
def test_a_smaller_surge_is_told_with_the_hops_to_expect(surge: str | int) -> None:
    rendered = render(merged(PRODUCTION, {"connection": {"maxSurge": surge}}))
    hops = expected_hops(pods=10, surge=surge_pods(surge, 10))
    assert f"{hops:.1f} times" in rendered.notes


@pytest.mark.parametrize("slow", ["conversation", "presence"])
def test_helm_is_told_to_wait_for_the_slowest_of_all(slow: str) -> None:
    values = {slow: {"replicas": 40, "maxSurge": 1}}
    assert f"--timeout {others(values)}s" in render(merged(PRODUCTION, values)).notes
    assert others(values) == 40 * 65 + 60


def test_the_most_workers_count_where_their_number_is_keda_s() -> None:
    scaling = {"enabled": True, "maxReplicas": 40, "prometheusAddress": "http://prometheus.there:9090"}
    values = merged(PRODUCTION, {"conversation": {"maxSurge": 1, "autoscaling": scaling}})
    assert f"--timeout {40 * 65 + 60}s" in render(values).notes


@pytest.mark.parametrize("install", INSTALLS)
@pytest.mark.parametrize("drain", [20, 900])
def test_helm_gives_up_on_no_deployment_before_it_had_time_to_pull_its_images(
    install: str, drain: int
) -> None:
    """Helm's waiter takes a passed progress deadline for the end, whatever its timeout."""
    rendered = render(merged(INSTALLS[install], {"conversation": {"drainSeconds": drain}}))
    deadlines = [one["spec"]["progressDeadlineSeconds"] for one in rendered.of("Deployment")]
    assert min(deadlines) >= MIN_PROGRESS_S
    timeout = re.search(r"--timeout (\d+)s", rendered.notes)
    assert timeout is not None
    assert int(timeout[1]) > max(deadlines)


def test_workers_have_their_drain_and_time_to_hand_over() -> None:
    values = merged(PRODUCTION, {"conversation": {"drainSeconds": 200}})
    pod = render(values).one("Deployment", "continuo-conversation")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 215
    assert {"name": "CONTINUO_DRAIN_S", "value": "200"} in pod["containers"][0]["env"]
