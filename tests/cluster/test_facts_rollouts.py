"""How a Deployment replaces its pods. Each runs on the simulator and on a real cluster."""

from tests.cluster.facts_driver import Facts
from tests.cluster.facts_things import (
    change_template,
    let_be_ready,
    living,
    pods,
    rolling,
    running,
    scale,
    sets,
    settled,
    template,
    workload,
)
from tests.cluster.kinds import DEPLOYMENTS, PODS
from tests.cluster.objects import Object, annotations_of, condition, is_going, labels_of, name_of

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


async def _deployed(facts: Facts, replicas: int, pod: Object, **spec: object) -> None:
    await facts.create(DEPLOYMENTS, workload("main", replicas, pod, **spec))


async def _by_hash(facts: Facts) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pod in await living(facts):
        found.setdefault(labels_of(pod)[HASH], []).append(name_of(pod))
    return found


async def _two_revisions(facts: Facts, count: int) -> tuple[list[str], list[str]]:
    """Wait for so many pods of the second revision that run; (old, new)."""

    async def found() -> tuple[list[str], list[str]] | None:
        both = await sets(facts)
        if len(both) != 2:
            return None
        by_hash = await _by_hash(facts)
        new = by_hash.get(labels_of(both[1])[HASH], [])
        up = [p for p in await living(facts) if name_of(p) in new and p["status"].get("phase") == "Running"]
        return (by_hash.get(labels_of(both[0])[HASH], []), new) if len(up) == count else None

    old, new = await facts.until(found)
    return old, new


async def test_a_full_surge_makes_all_new_pods_before_an_old_one_goes(facts: Facts) -> None:
    await _deployed(facts, 3, template(facts, gate=True), strategy=rolling("100%", 0))
    names = await running(facts, 3)
    await let_be_ready(facts, names)
    await settled(facts, "main")
    await change_template(facts, "main", "2")
    old, new = await _two_revisions(facts, 3)
    assert (sorted(old), len(new)) == (sorted(names), 3)
    await let_be_ready(facts, new)
    await settled(facts, "main")
    assert {name_of(pod) for pod in await living(facts)} == set(new)


async def test_old_pods_wait_for_new_ones_to_be_ready_for_min_ready_seconds(facts: Facts) -> None:
    """The hold that a paced drain needs; it ends by itself, whoever is absent."""
    await _deployed(facts, 2, template(facts, gate=True), strategy=rolling("100%", 0), minReadySeconds=8)
    names = await running(facts, 2)
    await let_be_ready(facts, names)
    await settled(facts, "main")
    await change_template(facts, "main", "2")
    _, new = await _two_revisions(facts, 2)
    await let_be_ready(facts, new)
    assert {name_of(pod) for pod in await living(facts)} == {*names, *new}
    status = (await facts.get(DEPLOYMENTS, "main"))["status"]
    assert status.get("availableReplicas") == 2
    await settled(facts, "main")
    assert {name_of(pod) for pod in await living(facts)} == set(new)


async def test_an_unready_old_pod_does_not_go_while_no_new_one_is_available(facts: Facts) -> None:
    """So a drained pod may show not ready during a rollout."""
    await _deployed(facts, 2, template(facts, gate=True), strategy=rolling("100%", 0), minReadySeconds=300)
    names = await running(facts, 2)
    await let_be_ready(facts, names)
    await change_template(facts, "main", "2")
    _, new = await _two_revisions(facts, 2)
    await let_be_ready(facts, new)
    await facts.open_gate(names[0], False)

    async def seen() -> bool:
        status = (await facts.get(DEPLOYMENTS, "main"))["status"]
        return bool(status.get("readyReplicas") == 3)

    await facts.until(seen)
    await scale(facts, DEPLOYMENTS, "main", 2)
    assert set(names) <= {name_of(pod) for pod in await living(facts)}


async def test_pods_on_their_way_out_count_neither_as_surge_nor_as_unavailable(facts: Facts) -> None:
    await _deployed(facts, 2, template(facts, pre_stop=60, grace=120), strategy=rolling(1, 0))
    await running(facts, 2)
    await settled(facts, "main")
    await change_template(facts, "main", "2")

    async def more_than_allowed() -> bool:
        all_pods = await pods(facts)
        going = sum(is_going(pod) for pod in all_pods)
        return going == 2 and len(all_pods) - going == 2

    await facts.until(more_than_allowed)
    for pod in await pods(facts):
        await facts.delete(PODS, name_of(pod), 0)


async def test_the_newest_set_bears_the_revision_of_the_deployment(facts: Facts) -> None:
    await _deployed(facts, 1, template(facts))
    await settled(facts, "main")
    await change_template(facts, "main", "2")
    await settled(facts, "main")
    revision = annotations_of(await facts.get(DEPLOYMENTS, "main"))[REVISION]
    both = await sets(facts)
    assert [annotations_of(each)[REVISION] for each in both] == ["1", revision] == ["1", "2"]


async def test_going_back_takes_up_the_old_set_under_a_new_revision(facts: Facts) -> None:
    await _deployed(facts, 1, template(facts))
    await change_template(facts, "main", "1")
    await settled(facts, "main")
    first = labels_of((await sets(facts))[-1])[HASH]
    await change_template(facts, "main", "2")
    await settled(facts, "main")
    before = len(await sets(facts))
    await change_template(facts, "main", "1")
    await settled(facts, "main")
    after = await sets(facts)
    assert len(after) == before
    assert labels_of(after[-1])[HASH] == first
    assert list(await _by_hash(facts)) == [first]


async def test_labels_and_costs_of_living_pods_start_no_rollout(facts: Facts) -> None:
    await _deployed(facts, 2, template(facts, extra={"accepts": "yes"}))
    names = await running(facts, 2)
    await settled(facts, "main")
    note = {"controller.kubernetes.io/pod-deletion-cost": "-1000"}
    await facts.merge(PODS, names[0], {"metadata": {"labels": {"accepts": "no"}, "annotations": note}})
    await facts.slack()
    await scale(facts, DEPLOYMENTS, "main", 1)
    await settled(facts, "main")
    assert [name_of(pod) for pod in await living(facts)] == [names[1]]
    assert len(await sets(facts)) == 1


async def test_scaling_in_the_midst_of_a_rollout_keeps_the_shares(facts: Facts) -> None:
    await _deployed(facts, 2, template(facts, gate=True), strategy=rolling("100%", 0))
    names = await running(facts, 2)
    await let_be_ready(facts, names)
    await settled(facts, "main")
    await change_template(facts, "main", "2")
    await _two_revisions(facts, 2)
    await scale(facts, DEPLOYMENTS, "main", 4)

    async def shared() -> bool:
        sizes = sorted(each["spec"]["replicas"] for each in await sets(facts))
        return sizes == [4, 4]

    await facts.until(shared)


async def test_a_rollout_that_stands_still_says_so_and_stays(facts: Facts) -> None:
    await _deployed(
        facts, 1, template(facts, gate=True), strategy=rolling("100%", 0), progressDeadlineSeconds=5
    )
    names = await running(facts, 1)
    await let_be_ready(facts, names)
    await settled(facts, "main")
    await change_template(facts, "main", "2")

    async def late() -> bool:
        found = condition(await facts.get(DEPLOYMENTS, "main"), "Progressing")
        return bool(found and found["reason"] == "ProgressDeadlineExceeded")

    await facts.until(late)
    _, new = await _two_revisions(facts, 1)
    assert names[0] in {name_of(pod) for pod in await living(facts)}
    await let_be_ready(facts, new)
    await settled(facts, "main")
