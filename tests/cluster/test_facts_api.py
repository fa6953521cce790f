"""What the operator takes for granted of the API server. Each runs on the simulator and on a real cluster."""

import pytest

from tests.cluster.facts_driver import Facts, RefusedError
from tests.cluster.facts_things import LABELS, is_gone, running, scale, template, workload
from tests.cluster.kinds import DEPLOYMENTS, FLEETS, LEASES, PODS, REPLICASETS
from tests.cluster.objects import name_of
from tests.cluster.world import seconds_of

SCALE = {"apiVersion": "autoscaling/v1", "kind": "Scale"}


def fleet(**spec: object) -> dict[str, object]:
    return {"metadata": {"name": "fleet"}, "spec": {"deployment": "none", **spec}}


async def idle(facts: Facts, replicas: int | None = 0) -> dict[str, object]:
    return await facts.create(DEPLOYMENTS, workload("main", replicas, template(facts)))


async def test_a_write_on_an_old_version_is_refused(facts: Facts) -> None:
    lease = await facts.create(LEASES, {"metadata": {"name": "one"}, "spec": {"holderIdentity": "a"}})
    await facts.replace(LEASES, {**lease, "spec": {"holderIdentity": "b"}})
    with pytest.raises(RefusedError) as refusal:
        await facts.replace(LEASES, {**lease, "spec": {"holderIdentity": "c"}})
    assert refusal.value.status == 409
    assert (await facts.get(LEASES, "one"))["spec"]["holderIdentity"] == "b"


async def test_a_merge_patch_that_names_an_old_version_is_refused(facts: Facts) -> None:
    old = await facts.create(LEASES, {"metadata": {"name": "one"}, "spec": {"holderIdentity": "a"}})
    await facts.merge(LEASES, "one", {"spec": {"holderIdentity": "b"}})
    version = {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}}
    with pytest.raises(RefusedError) as refusal:
        await facts.merge(LEASES, "one", {**version, "spec": {"holderIdentity": "c"}})
    assert refusal.value.status == 409


async def test_a_name_is_given_once(facts: Facts) -> None:
    await facts.create(LEASES, {"metadata": {"name": "one"}})
    with pytest.raises(RefusedError) as refusal:
        await facts.create(LEASES, {"metadata": {"name": "one"}})
    assert refusal.value.status == 409


async def test_a_write_that_changes_nothing_is_no_new_version(facts: Facts) -> None:
    before = await facts.create(LEASES, {"metadata": {"name": "one"}, "spec": {"holderIdentity": "a"}})
    after = await facts.merge(LEASES, "one", {"spec": {"holderIdentity": "a"}})
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_the_generation_counts_specs_and_nothing_else(facts: Facts) -> None:
    first = await facts.create(FLEETS, fleet())
    noted = await facts.merge(FLEETS, "fleet", {"metadata": {"annotations": {"a": "b"}}})
    told = await facts.merge(FLEETS, "fleet", {"status": {"replicas": 3}}, "status")
    asked = await facts.merge(FLEETS, "fleet", {"spec": {"paused": True}})
    found = [each["metadata"]["generation"] for each in (first, noted, told, asked)]
    assert found == [1, 1, 1, 2]


async def test_status_and_spec_are_written_apart(facts: Facts) -> None:
    await facts.create(FLEETS, fleet())
    await facts.merge(FLEETS, "fleet", {"status": {"replicas": 3}, "spec": {"paused": True}}, "status")
    await facts.merge(FLEETS, "fleet", {"status": {"replicas": 9}, "spec": {"adminPort": 9000}})
    found = await facts.get(FLEETS, "fleet")
    assert (found["status"]["replicas"], found["spec"]["adminPort"]) == (3, 9000)
    assert found["spec"]["paused"] is False


async def test_a_fleet_that_names_no_replicas_has_one(facts: Facts) -> None:
    assert (await facts.create(FLEETS, fleet()))["spec"]["replicas"] == 1


async def test_a_fleet_is_scaled_through_its_scale(facts: Facts) -> None:
    await facts.create(FLEETS, fleet())
    await facts.merge(FLEETS, "fleet", {"status": {"selector": "a=b", "replicas": 4}}, "status")
    await scale(facts, FLEETS, "fleet", 5)
    found = await facts.get(FLEETS, "fleet", "scale")
    assert found["spec"]["replicas"] == 5
    assert found["status"] == {"replicas": 4, "selector": "a=b"}
    assert (await facts.get(FLEETS, "fleet"))["spec"]["replicas"] == 5


async def test_without_a_finalizer_a_deletion_is_the_end(facts: Facts) -> None:
    await facts.create(FLEETS, fleet())
    await facts.delete(FLEETS, "fleet")
    assert await is_gone(facts, FLEETS, "fleet")


async def test_a_finalizer_holds_a_deletion_up(facts: Facts) -> None:
    held = fleet()
    held["metadata"] = {"name": "fleet", "finalizers": ["continuo.dev/fact"]}
    await facts.create(FLEETS, held)
    await facts.delete(FLEETS, "fleet")
    assert (await facts.get(FLEETS, "fleet"))["metadata"]["deletionTimestamp"]
    await facts.merge(FLEETS, "fleet", {"metadata": {"finalizers": None}})
    assert await is_gone(facts, FLEETS, "fleet")


async def test_a_deployment_is_scaled_only_at_the_version_that_was_read(facts: Facts) -> None:
    old = await idle(facts)
    await facts.merge(DEPLOYMENTS, "main", {"metadata": {"annotations": {"a": "b"}}})
    version = {"resourceVersion": old["metadata"]["resourceVersion"]}
    with pytest.raises(RefusedError) as refusal:
        await facts.merge(DEPLOYMENTS, "main", {"metadata": version, "spec": {"replicas": 2}}, "scale")
    assert refusal.value.status == 409
    assert (await facts.get(DEPLOYMENTS, "main"))["spec"]["replicas"] == 0


async def test_a_scale_bears_the_version_of_what_it_scales(facts: Facts) -> None:
    """Tried again where the Deployment's own controller wrote in between, which makes the version old."""
    await idle(facts)

    async def scaled() -> bool:
        seen = await facts.get(DEPLOYMENTS, "main", "scale")
        version = {"resourceVersion": seen["metadata"]["resourceVersion"]}
        try:
            await facts.merge(DEPLOYMENTS, "main", {"metadata": version, "spec": {"replicas": 0}}, "scale")
        except RefusedError as refusal:
            if refusal.status != 409:
                raise
            return False
        return True

    await facts.until(scaled)


async def test_a_deployment_whose_deadline_its_hold_fills_is_refused(facts: Facts) -> None:
    for hold, deadline in ((600, None), (300, 300)):
        numbers = {"minReadySeconds": hold} | ({"progressDeadlineSeconds": deadline} if deadline else {})
        with pytest.raises(RefusedError) as refusal:
            await facts.create(DEPLOYMENTS, workload("main", 0, template(facts), **numbers))
        assert refusal.value.status == 422


async def test_applying_the_scale_claims_the_replicas(facts: Facts) -> None:
    await idle(facts)
    await facts.apply(DEPLOYMENTS, "main", {**SCALE, "spec": {"replicas": 0}}, "owner", "scale", force=True)
    entries = (await facts.get(DEPLOYMENTS, "main"))["metadata"]["managedFields"]
    mine = [each for each in entries if each["manager"] == "owner"]
    assert [each["subresource"] for each in mine] == ["scale"]
    assert "f:replicas" in mine[0]["fieldsV1"]["f:spec"]


async def test_an_entry_tells_when_its_manager_last_changed_the_number(facts: Facts) -> None:
    """And is no younger for a claim that changes nothing, or for what others write."""
    await idle(facts)
    await scale(facts, DEPLOYMENTS, "main", 1)
    first = await _scaled(facts)
    await facts.slack()
    await facts.apply(DEPLOYMENTS, "main", {**SCALE, "spec": {"replicas": 1}}, "owner", "scale", force=True)
    await facts.merge(DEPLOYMENTS, "main", {"metadata": {"annotations": {"a": "b"}}})
    assert await _scaled(facts) == first
    await scale(facts, DEPLOYMENTS, "main", 0)
    assert await _scaled(facts) > first


async def _scaled(facts: Facts) -> float:
    entries = (await facts.get(DEPLOYMENTS, "main"))["metadata"]["managedFields"]
    (mine,) = [one for one in entries if (one["operation"], one.get("subresource")) == ("Update", "scale")]
    assert "f:replicas" in mine["fieldsV1"]["f:spec"]
    return seconds_of(mine["time"])


async def test_what_a_chart_never_applied_it_does_not_take_away(facts: Facts) -> None:
    chart = workload("main", None, template(facts))
    await facts.apply(DEPLOYMENTS, "main", chart, "helm")
    assert (await facts.get(DEPLOYMENTS, "main"))["spec"]["replicas"] == 1
    await facts.apply(DEPLOYMENTS, "main", {**SCALE, "spec": {"replicas": 0}}, "owner", "scale", force=True)
    chart["spec"]["minReadySeconds"] = 7
    after = await facts.apply(DEPLOYMENTS, "main", chart, "helm")
    assert (after["spec"]["replicas"], after["spec"]["minReadySeconds"]) == (0, 7)


async def test_what_a_chart_applied_and_another_claimed_stays_when_the_chart_drops_it(facts: Facts) -> None:
    await facts.apply(DEPLOYMENTS, "main", workload("main", 0, template(facts)), "helm")
    await facts.apply(DEPLOYMENTS, "main", {**SCALE, "spec": {"replicas": 0}}, "owner", "scale", force=True)
    after = await facts.apply(DEPLOYMENTS, "main", workload("main", None, template(facts)), "helm")
    assert after["spec"]["replicas"] == 0


async def test_what_only_a_chart_owned_falls_back_to_one_when_it_drops_it(facts: Facts) -> None:
    await facts.apply(DEPLOYMENTS, "main", workload("main", 0, template(facts)), "helm")
    after = await facts.apply(DEPLOYMENTS, "main", workload("main", None, template(facts)), "helm")
    assert after["spec"]["replicas"] == 1


async def test_applying_what_another_owns_is_refused_unless_forced(facts: Facts) -> None:
    await facts.apply(DEPLOYMENTS, "main", workload("main", 0, template(facts)), "helm")
    with pytest.raises(RefusedError) as refusal:
        await facts.apply(DEPLOYMENTS, "main", {**SCALE, "spec": {"replicas": 1}}, "owner", "scale")
    assert refusal.value.status == 409
    body = {**SCALE, "spec": {"replicas": 1}}
    assert (await facts.apply(DEPLOYMENTS, "main", body, "owner", "scale", force=True))["spec"][
        "replicas"
    ] == 1


async def test_a_number_that_another_wrote_a_chart_keeps_freely_and_changes_by_force_once(
    facts: Facts,
) -> None:
    await facts.apply(DEPLOYMENTS, "main", workload("main", None, template(facts)), "helm")
    await facts.apply(DEPLOYMENTS, "main", {**SCALE, "spec": {"replicas": 1}}, "owner", "scale", force=True)
    await scale(facts, DEPLOYMENTS, "main", 0)
    await facts.apply(DEPLOYMENTS, "main", workload("main", 0, template(facts)), "helm")
    more = workload("main", 1, template(facts))
    with pytest.raises(RefusedError) as refusal:
        await facts.apply(DEPLOYMENTS, "main", more, "helm")
    assert refusal.value.status == 409
    forced = await facts.apply(DEPLOYMENTS, "main", more, "helm", force=True)
    assert forced["spec"]["replicas"] == 1
    after = await facts.apply(DEPLOYMENTS, "main", workload("main", 0, template(facts)), "helm")
    assert after["spec"]["replicas"] == 0


async def test_a_watch_tells_what_leaves_its_selection_as_deleted(facts: Facts) -> None:
    await facts.create(LEASES, {"metadata": {"name": "one", "labels": LABELS}})
    since = str((await facts.ask("GET", facts.path(LEASES)))["metadata"]["resourceVersion"])
    async with facts.watch(LEASES, labelSelector="app=fact", resourceVersion=since) as heard:
        await facts.merge(LEASES, "one", {"metadata": {"annotations": {"a": "b"}}})
        await facts.merge(LEASES, "one", {"metadata": {"labels": {"app": "other"}}})
        await facts.until(lambda: _two(heard))
    assert [each["type"] for each in heard[:2]] == ["MODIFIED", "DELETED"]


async def _two(heard: list[dict[str, object]]) -> bool:
    return len(heard) >= 2


async def test_what_a_deployment_owned_goes_with_it(facts: Facts) -> None:
    await facts.create(DEPLOYMENTS, workload("main", 2, template(facts)))
    names = await running(facts, 2)
    await facts.delete(DEPLOYMENTS, "main")
    for name in names:
        await facts.until(lambda name=name: is_gone(facts, PODS, name))
    assert [name_of(each) for each in await facts.list(REPLICASETS, labelSelector="app=fact")] == []
