"""helm install, test, upgrade and uninstall on a real cluster."""

import asyncio

import pytest

from tests.cluster.facts_driver import Facts
from tests.cluster.facts_things import is_gone, scale
from tests.cluster.kinds import DEPLOYMENTS, FLEETS, PODS
from tests.e2e.cluster.release import NAME, WITHIN_S, Release

pytestmark = pytest.mark.timeout(4 * WITHIN_S)
CONNECTION = f"{NAME}-connection"


async def _fleet(facts: Facts) -> str:
    (fleet,) = await facts.list(FLEETS)
    return str(fleet["metadata"]["name"])


async def test_a_release_answers_a_real_round_trip(facts: Facts, release: Release) -> None:
    await asyncio.to_thread(release.test)


async def test_an_upgrade_leaves_the_number_of_pods_alone(facts: Facts) -> None:
    """Written through the fleet's scale, as an HPA does: it is the one field there that is not Helm's."""
    release = Release(facts.road.namespace, {"operator": {"scaling": {"owner": "External"}}})
    await asyncio.to_thread(release.install)
    await scale(facts, FLEETS, await _fleet(facts), 3)

    async def three() -> bool:
        return bool((await facts.get(DEPLOYMENTS, CONNECTION))["spec"]["replicas"] == 3)

    await facts.until(three)
    await asyncio.to_thread(release.upgrade, annotations={"proof": "1"})
    assert await three()
    await asyncio.to_thread(release.uninstall)


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
