"""The number of connection pods taken to nothing and back by hand, as docs/backup.md has it for a restore."""

from functools import partial

import pytest

from tests.cluster.api import MERGE, Request
from tests.cluster.cluster import NAMESPACE
from tests.cluster.fleets import DEPLOYMENT, FLEET, Design
from tests.cluster.kinds import DEPLOYMENTS, FLEETS, Kind
from tests.cluster.scenes import stage_of
from tests.cluster.stage import Stage

SEED = 5


def _patch(stage: Stage, kind: Kind, name: str, body: object, subresource: str = "") -> None:
    path = "/".join(part for part in (kind.root(NAMESPACE), name, subresource) if part)
    status, said = stage.cluster.api.answer(Request("PATCH", path, {}, body, MERGE, "kubectl"))
    assert status == 200, said


def _scale(stage: Stage, pods: int) -> None:
    """`kubectl scale deployment`."""
    _patch(stage, DEPLOYMENTS, DEPLOYMENT, {"spec": {"replicas": pods}}, "scale")


def _pause(stage: Stage, paused: bool) -> None:
    _patch(stage, FLEETS, FLEET, {"spec": {"paused": paused}})


def _is(stage: Stage, kind: str, reason: str) -> bool:
    said = stage.fleet_condition(kind)
    return said is not None and said["reason"] == reason


async def _restored(stage: Stage, *, paused: bool) -> None:
    stage.operate()
    await stage.open(30)
    await stage.until(lambda: _is(stage, "ScaleConflict", "Claimed"))
    before = stage.size
    if paused:
        _pause(stage, True)
        await stage.until(lambda: _is(stage, "ScaleConflict", "Released"))
    await stage.retire()
    _scale(stage, 0)
    await stage.until(lambda: stage.ready_pods() == 0)
    _scale(stage, before)
    await stage.until(lambda: stage.ready_pods() == before)
    stage.operate()
    await stage.rest(30)
    assert stage.size == before
    if paused:
        _pause(stage, False)
    stage.crowd.become(stage.design.capacity * 3)
    await stage.rest(120)


@pytest.mark.parametrize("paused", [True, False], ids=["paused meanwhile", "not paused: the control"])
def test_the_operator_claims_the_number_again_only_if_its_fleet_was_paused(paused: bool) -> None:
    stage = stage_of(Design(pods=2, scaling={"up": {"windowSeconds": 15, "maxStep": 4}}), SEED)
    stage.play(partial(_restored, paused=paused))
    assert _is(stage, "ScaleConflict", "Claimed" if paused else "OtherManager"), stage.picture()
    assert (stage.size > 2) is paused
