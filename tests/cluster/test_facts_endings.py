"""How pods end, and who is sent to them meanwhile. Each runs on the simulator and on a real cluster."""

import pytest

from tests.cluster.facts_driver import Facts, RefusedError
from tests.cluster.facts_things import (
    LABELS,
    endpoints,
    is_gone,
    let_be_ready,
    living,
    ready,
    running,
    template,
    workload,
)
from tests.cluster.kinds import BUDGETS, PODS, REPLICASETS, SERVICES
from tests.cluster.objects import Object, is_going, is_ready, name_of


async def _pod(facts: Facts, name: str, **spec: object) -> None:
    made = template(facts, **spec)  # type: ignore[arg-type]
    await facts.create(PODS, {"metadata": {**made["metadata"], "name": name}, "spec": made["spec"]})


async def _service(facts: Facts, selector: dict[str, str]) -> None:
    ports = [{"port": 80, "targetPort": 80}]
    await facts.create(
        SERVICES, {"metadata": {"name": "main"}, "spec": {"selector": selector, "ports": ports}}
    )


async def _says(facts: Facts, pod: str, **wanted: bool) -> None:
    async def found() -> bool:
        says = (await endpoints(facts, "main")).get(pod)
        return says is not None and {k: bool(says.get(k)) for k in wanted} == wanted

    await facts.until(found)


async def test_a_pod_on_its_way_out_is_an_endpoint_that_serves_and_is_not_ready(facts: Facts) -> None:
    await _service(facts, LABELS)
    await _pod(facts, "one", pre_stop=60, grace=120)
    await ready(facts, 1)
    await _says(facts, "one", ready=True, serving=True, terminating=False)
    await facts.delete(PODS, "one")
    await _says(facts, "one", ready=False, serving=True, terminating=True)
    assert is_ready(await facts.get(PODS, "one"))
    await facts.delete(PODS, "one", 0)


async def test_a_container_that_cannot_go_on_waits_and_is_counted(facts: Facts) -> None:
    """Its pod is Running all the same, and not ready: only the container's state tells that nothing runs."""
    made = template(facts)
    made["spec"]["containers"][0]["command"] = ["/no-such-program"]
    await facts.create(PODS, {"metadata": {**made["metadata"], "name": "one"}, "spec": made["spec"]})

    async def waits() -> bool:
        pod = await facts.get(PODS, "one")
        statuses = pod.get("status", {}).get("containerStatuses", [])
        return any("waiting" in one["state"] and one["restartCount"] > 1 for one in statuses)

    await facts.until(waits)
    pod = await facts.get(PODS, "one")
    (status,) = pod["status"]["containerStatuses"]
    assert (status["name"], status["ready"], "running" in status["state"]) == ("main", False, False)
    assert (pod["status"]["phase"], is_ready(pod)) == ("Running", False)


async def test_a_label_takes_a_pod_out_of_the_endpoints_and_does_it_no_harm(facts: Facts) -> None:
    await _service(facts, {**LABELS, "accepts": "yes"})
    await _pod(facts, "one", extra={"accepts": "yes"})
    await _pod(facts, "two", extra={"accepts": "yes"})
    await ready(facts, 2)
    await _says(facts, "one", ready=True)
    await facts.merge(PODS, "one", {"metadata": {"labels": {"accepts": "no"}}})

    async def out() -> bool:
        return list(await endpoints(facts, "main")) == ["two"]

    await facts.until(out)
    assert is_ready(await facts.get(PODS, "one"))
    await facts.merge(PODS, "one", {"metadata": {"labels": {"accepts": "yes"}}})
    await _says(facts, "one", ready=True)


async def test_an_unready_pod_is_an_endpoint_that_is_not_ready(facts: Facts) -> None:
    await _service(facts, LABELS)
    await _pod(facts, "one", gate=True)
    await running(facts, 1)
    await let_be_ready(facts, ["one"])
    await _says(facts, "one", ready=True)
    await facts.open_gate("one", False)
    await _says(facts, "one", ready=False)


async def test_the_pre_stop_sleep_runs_before_the_end_and_within_the_grace(facts: Facts) -> None:
    """Three pods told to end at once: the one with nothing to wait for, the one with a short sleep, the one
    that is given less time than its sleep takes, all go before the one that may sleep."""
    await _pod(facts, "none", grace=120)
    await _pod(facts, "short", pre_stop=8, grace=120)
    await _pod(facts, "cut", pre_stop=90, grace=120)
    await _pod(facts, "long", pre_stop=90, grace=120)
    await ready(facts, 4)
    order: list[str] = []
    for name in ("long", "cut", "short", "none"):
        await facts.delete(PODS, name, 10 if name == "cut" else None)

    async def three_gone() -> bool:
        for name in ("none", "short", "cut", "long"):
            if name not in order and await is_gone(facts, PODS, name):
                order.append(name)
        return len(order) >= 3

    await facts.until(three_gone)
    assert order[0] == "none"
    assert set(order[:3]) == {"none", "short", "cut"}
    await facts.delete(PODS, "long", 0)


async def test_a_deletion_may_be_shortened(facts: Facts) -> None:
    await _pod(facts, "one", pre_stop=300, grace=600)
    await ready(facts, 1)
    await facts.delete(PODS, "one")
    await facts.delete(PODS, "one", 1)
    await facts.until(lambda: is_gone(facts, PODS, "one"))


async def test_a_sleep_that_its_grace_does_not_hold_is_refused(facts: Facts) -> None:
    with pytest.raises(RefusedError) as refusal:
        await _pod(facts, "one", pre_stop=90, grace=10)
    assert refusal.value.status == 422


def _budget(policy: str = "AlwaysAllow") -> Object:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": LABELS}, "unhealthyPodEvictionPolicy": policy}
    return {"metadata": {"name": "main"}, "spec": spec}


async def _allows(facts: Facts, count: int) -> None:
    async def found() -> bool:
        budget = await facts.get(BUDGETS, "main")
        status = budget.get("status", {})
        seen = status.get("observedGeneration") == budget["metadata"]["generation"]
        return bool(seen and status.get("disruptionsAllowed") == count and status.get("expectedPods") == 2)

    await facts.until(found)


async def test_a_budget_lets_one_eviction_begin_at_a_time(facts: Facts) -> None:
    await facts.create(REPLICASETS, workload("main", 2, template(facts, gate=True)))
    names = await running(facts, 2)
    await let_be_ready(facts, names)
    await facts.create(BUDGETS, _budget())
    await _allows(facts, 1)
    await facts.evict(names[0])
    with pytest.raises(RefusedError) as refusal:
        await facts.evict(names[1])
    assert refusal.value.status == 429
    assert not is_going(await facts.get(PODS, names[1]))


async def test_an_unready_pod_may_always_be_evicted(facts: Facts) -> None:
    await facts.create(REPLICASETS, workload("main", 2, template(facts, gate=True)))
    names = await running(facts, 2)
    await let_be_ready(facts, names[:1])
    await facts.create(BUDGETS, _budget())
    await _allows(facts, 0)
    with pytest.raises(RefusedError) as refusal:
        await facts.evict(names[0])
    assert refusal.value.status == 429
    await facts.evict(names[1])


async def test_an_eviction_is_a_deletion(facts: Facts) -> None:
    await facts.create(REPLICASETS, workload("main", 1, template(facts, pre_stop=60, grace=120)))
    (name,) = await ready(facts, 1)
    await facts.evict(name)
    assert is_going(await facts.get(PODS, name))
    await ready(facts, 1)
    assert name not in {name_of(pod) for pod in await living(facts)}
    await facts.delete(PODS, name, 0)
