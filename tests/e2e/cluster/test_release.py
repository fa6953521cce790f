"""helm install, test, upgrade and uninstall on a real cluster."""

import asyncio

from tests.cluster.facts_driver import Facts
from tests.cluster.facts_things import is_gone
from tests.cluster.kinds import DEPLOYMENTS, FLEETS, PODS
from tests.e2e.cluster.release import NAME, Release

CONNECTION = f"{NAME}-connection"


async def _fleet(facts: Facts) -> str:
    (fleet,) = await facts.list(FLEETS)
    return str(fleet["metadata"]["name"])


async def test_a_release_answers_a_real_round_trip(facts: Facts, release: Release) -> None:
    await asyncio.to_thread(release.test)


async def test_an_upgrade_leaves_the_number_of_pods_alone(facts: Facts, release: Release) -> None:
    fleet = await _fleet(facts)
    patch = {"spec": {"scaling": {"owner": "External"}, "replicas": 3}}
    await facts.merge(FLEETS, fleet, patch)

    async def three() -> bool:
        return bool((await facts.get(DEPLOYMENTS, CONNECTION))["spec"]["replicas"] == 3)

    await facts.until(three)
    await asyncio.to_thread(release.upgrade, annotations={"proof": "1"})
    assert await three()


async def test_nothing_holds_an_uninstall_up(facts: Facts) -> None:
    release = Release(facts.road.namespace)
    await asyncio.to_thread(release.install)
    fleet = await _fleet(facts)
    assert "finalizers" not in (await facts.get(FLEETS, fleet))["metadata"]
    await asyncio.to_thread(release.uninstall)
    assert await is_gone(facts, FLEETS, fleet)

    async def no_pods() -> bool:
        return not await facts.list(PODS, labelSelector=f"app.kubernetes.io/instance={NAME}")

    await facts.until(no_pods)
