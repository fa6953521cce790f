"""The rollout proof on a real cluster: every connection pod is replaced, each client reconnects once."""

import asyncio

import pytest

from tests.cluster.facts_driver import Facts
from tests.cluster.kinds import PODS
from tests.cluster.objects import name_of
from tests.e2e.cluster.crowd_pod import CLIENTS, Crowd
from tests.e2e.cluster.release import WITHIN_S, Release

pytestmark = pytest.mark.timeout(4 * WITHIN_S)
CONNECTIONS = "app.kubernetes.io/component=connection"


async def test_each_client_reconnects_once_while_all_pods_are_replaced(
    facts: Facts, release: Release
) -> None:
    crowd = Crowd(facts)
    await crowd.start()
    before = {name_of(pod) for pod in await facts.list(PODS, labelSelector=CONNECTIONS)}
    await asyncio.to_thread(release.upgrade, annotations={"proof": "2"})

    async def replaced() -> bool:
        return not before & {name_of(pod) for pod in await facts.list(PODS, labelSelector=CONNECTIONS)}

    await facts.until(replaced)
    says = await crowd.until(lambda line: bool(line["up"] == CLIENTS))
    assert says["times"] == {"2": CLIENTS}
