"""Which pod goes when a ReplicaSet shrinks. Each runs on the simulator and on a real cluster."""

from tests.cluster.facts_driver import Facts
from tests.cluster.facts_things import (
    cost,
    let_be_ready,
    living,
    ready,
    running,
    scale,
    template,
    victims,
    workers,
    workload,
)
from tests.cluster.kinds import LEASES, PODS, REPLICASETS
from tests.cluster.objects import Object, at, condition, name_of
from tests.cluster.world import seconds_of


async def _set(facts: Facts, replicas: int, pod: Object) -> None:
    await facts.create(REPLICASETS, workload("main", replicas, pod))


async def test_a_pod_without_a_node_goes_before_a_cheaper_one_with_one(facts: Facts) -> None:
    nodes = await workers(facts)
    await _set(facts, nodes + 1, template(facts, alone=True))

    async def placed() -> list[Object]:
        found = [p for p in await living(facts) if at(p, "status", "phase") == "Running"]
        return found if len(found) == nodes else []

    there = [name_of(pod) for pod in await facts.until(placed)]
    (waiting,) = [name_of(pod) for pod in await living(facts) if name_of(pod) not in there]
    await cost(facts, there[0], -1000)
    await facts.slack()
    await scale(facts, REPLICASETS, "main", nodes)
    assert await victims(facts, [*there, waiting]) == {waiting}


async def test_an_unready_busy_pod_goes_before_a_cheap_ready_one(facts: Facts) -> None:
    await _set(facts, 3, template(facts, gate=True))
    names = await running(facts, 3)
    await let_be_ready(facts, names[:2])
    await cost(facts, names[0], -1000)
    await facts.slack()
    await scale(facts, REPLICASETS, "main", 2)
    assert await victims(facts, names) == {names[2]}


async def test_of_ready_pods_the_cheapest_goes(facts: Facts) -> None:
    await _set(facts, 3, template(facts))
    names = await ready(facts, 3)
    await cost(facts, names[1], -1000)
    await facts.slack()
    await scale(facts, REPLICASETS, "main", 2)
    assert await victims(facts, names) == {names[1]}


async def test_of_unready_pods_the_cheapest_goes(facts: Facts) -> None:
    await _set(facts, 3, template(facts, gate=True))
    names = await running(facts, 3)
    await cost(facts, names[2], -1000)
    await facts.slack()
    await scale(facts, REPLICASETS, "main", 2)
    assert await victims(facts, names) == {names[2]}


async def test_a_cost_that_was_taken_back_counts_no_more(facts: Facts) -> None:
    await _set(facts, 3, template(facts))
    names = await ready(facts, 3)
    await cost(facts, names[0], -1000)
    await cost(facts, names[1], -500)
    await facts.merge(
        PODS, names[0], {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": None}}}
    )
    await facts.slack()
    await scale(facts, REPLICASETS, "main", 2)
    assert await victims(facts, names) == {names[1]}


async def test_of_equal_pods_one_that_shares_its_node_goes(facts: Facts) -> None:
    nodes = await workers(facts)
    await _set(facts, nodes + 1, template(facts))
    names = await ready(facts, nodes + 1)
    places = {name_of(pod): pod["spec"]["nodeName"] for pod in await living(facts)}
    await scale(facts, REPLICASETS, "main", nodes)
    (gone,) = await victims(facts, names)
    assert list(places.values()).count(places[gone]) > 1


async def test_of_equal_pods_the_one_ready_for_a_shorter_time_goes(facts: Facts) -> None:
    """By orders of magnitude only: within a power of two, chance decides."""
    await _set(facts, 2, template(facts, gate=True, alone=await workers(facts) > 1))
    names = await running(facts, 2)
    await let_be_ready(facts, names[:1])

    async def much_older() -> bool:
        await facts.open_gate(names[0])
        since = condition(await facts.get(PODS, names[0]), "Ready")
        assert since is not None
        return await server_time(facts) - seconds_of(since["lastTransitionTime"]) >= 64

    await facts.until(much_older)
    await let_be_ready(facts, names[1:])
    await scale(facts, REPLICASETS, "main", 1)
    assert await victims(facts, names) == {names[1]}


async def server_time(facts: Facts) -> float:
    """The API server's clock, in seconds since 1970: read off an object that is made for it."""
    fresh = await facts.create(LEASES, {"metadata": {"generateName": "clock-"}})
    await facts.delete(LEASES, name_of(fresh))
    return seconds_of(fresh["metadata"]["creationTimestamp"])


async def test_a_pod_deleted_by_hand_is_made_anew(facts: Facts) -> None:
    await _set(facts, 2, template(facts))
    names = await ready(facts, 2)
    await facts.delete(PODS, names[0], 0)
    after = await ready(facts, 2)
    assert names[1] in after
    assert names[0] not in after


async def test_a_label_outside_the_selector_changes_neither_owner_nor_number(facts: Facts) -> None:
    await _set(facts, 2, template(facts, extra={"accepts": "yes"}))
    names = await ready(facts, 2)
    await facts.merge(PODS, names[0], {"metadata": {"labels": {"accepts": "no"}}})
    await scale(facts, REPLICASETS, "main", 3)
    after = await ready(facts, 3)
    assert set(names) < set(after)
    found = {name_of(pod): pod["metadata"]["labels"]["accepts"] for pod in await living(facts)}
    assert sorted(found.values()) == ["no", "yes", "yes"]
    assert found[names[0]] == "no"
