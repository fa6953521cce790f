"""Every cell of the table of who may do what, over HTTP: as a user of each role, and as the service."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from services.local.device import new_id
from services.shared.bus.house import Bus
from services.shared.model.permissions import Operation, Role
from services.shared.wire.codes import REFUSED
from tests.support.back_end import BackEnd, KeysFile, problem
from tests.support.door import Door
from tests.support.open_bus import fresh_user
from tests.support.permission_cases import (
    CASES,
    DONE,
    USERS_ALONE,
    Case,
    Stage,
    Told,
    judge,
    judge_stranger,
)

CELLS = [pytest.param(operation, role, id=f"{operation.name}-{role}") for operation in CASES for role in Role]
EACH = pytest.mark.parametrize("operation", CASES, ids=lambda each: each.name)


class Caller:
    """Who acts over HTTP."""

    def __init__(self, back_end: BackEnd, user: str) -> None:
        self.back_end = back_end
        self.user = user

    async def call(self, method: str, arguments: Mapping[str, Any]) -> tuple[Told, Any]:
        answer = await self.back_end.call(method, **arguments)
        if answer.status_code == 200:
            return DONE, answer.json()
        told = problem(answer)
        return (told["code"], told["detail"]), None


@pytest.fixture
async def service(door: Door, keys: KeysFile) -> AsyncIterator[BackEnd]:
    async with BackEnd(keys.address, keys.keys["billing"], name="billing") as service:
        yield service


async def staged(service: BackEnd, bus: Bus, role: Role | None) -> Stage:
    """A conversation in which somebody has the role; None: a stranger to it."""
    host, other = service.acting(fresh_user("host")), fresh_user("other")
    made = await host.done("conversation.create", members=[other], answers={"assistant": "never"})
    talk = {"conversation": made["conversation"]}
    said = await host.done("conversation.send", **talk, id=new_id(), text="from the host")
    user = fresh_user("actor")
    if role in (Role.OWNER, Role.MEMBER, Role.READER):
        await host.done("conversation.members.add", **talk, user=user, role=role)
    if role is Role.AGENT:  # nobody gives it to a person
        members = bus.floor.keys.conversation(made["conversation"]).members
        await bus.floor.commands.hset(members, user, role)  # type: ignore[misc]  # redis' types
    is_service = role is Role.SERVICE
    actor = Caller(service, service.service) if is_service else Caller(service.acting(user), user)
    own = ""
    if role in (Role.OWNER, Role.MEMBER, Role.SERVICE):
        sent = await actor.back_end.done("conversation.send", **talk, id=new_id(), text="from the actor")
        own = sent["message"]
    await host.client.aclose()
    return Stage(actor, other, made["conversation"], own, said["message"])


async def left(stage: Stage) -> None:
    assert isinstance(stage.actor, Caller)
    await stage.actor.back_end.client.aclose()


@pytest.mark.parametrize(("operation", "role"), CELLS)
async def test_a_role_does_what_the_table_says(
    service: BackEnd, bus: Bus, operation: Operation, role: Role
) -> None:
    stage = await staged(service, bus, role)
    judge(operation, role, await CASES[operation].done(stage))
    await left(stage)


@pytest.mark.parametrize("role", Role)
async def test_presence_by_its_own_route_is_judged_as_the_rpc(service: BackEnd, bus: Bus, role: Role) -> None:
    stage = await staged(service, bus, role)
    assert isinstance(stage.actor, Caller)
    answer = await stage.actor.back_end.client.get(f"/presence/{stage.conversation}")
    told = DONE if answer.status_code == 200 else (problem(answer)["code"], problem(answer)["detail"])
    if role is Role.AGENT:
        assert told == (REFUSED.code, "the role agent may not do presence")
    else:
        assert told == DONE
    await left(stage)


@EACH
@pytest.mark.parametrize("role", [None, Role.SERVICE])
async def test_who_has_no_role_there_cannot_tell_it_from_none(
    service: BackEnd, bus: Bus, operation: Operation, role: Role | None
) -> None:
    stage = await staged(service, bus, role)
    nowhere = Stage(stage.actor, stage.other, new_id(), "", stage.hosts)
    outcome = await CASES[operation].done(nowhere)
    judge_stranger(operation, role, outcome)
    if role is None:
        assert await CASES[operation].done(stage) == outcome
    await left(stage)


@pytest.mark.parametrize("case", USERS_ALONE, ids=lambda case: case.method)
async def test_what_needs_a_user_is_refused_the_service(service: BackEnd, bus: Bus, case: Case) -> None:
    stage = await staged(service, bus, Role.SERVICE)
    code, text = await case.done(stage)
    assert code == REFUSED.code
    assert "service" in text
    await left(stage)
