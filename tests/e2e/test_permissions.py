"""Every cell of the table of who may do what, over a real socket, by the official client."""

from collections.abc import Awaitable, Callable

import pytest

from services.local.device import new_id
from services.shared.model.permissions import TABLE, Operation, Role
from tests.support.official_client import Official
from tests.support.open_bus import fresh_user, open_bus
from tests.support.permission_cases import CASES, Stage, judge, judge_stranger
from tests.support.socket_cases import COMMANDS, Device, done
from tests.support.waiting import eventually
from tests.support.whole_house import WholeHouse

Arrive = Callable[..., Awaitable[Official]]
CELLS = [
    pytest.param(row.operation, role, id=f"{row.operation.name}-{role}")
    for row in TABLE
    for role in Role
    if role is not Role.SERVICE  # has no socket: tests/contract/test_service_actor.py
]


async def staged(arrive: Arrive, house: WholeHouse, role: Role | None) -> tuple[Official, Stage]:
    """A conversation in which somebody has the role; None: a stranger to it."""
    host, actor = await arrive(fresh_user("host")), await arrive(fresh_user("actor"), server=1)
    other = fresh_user("other")
    created = await host.rpc("conversation.create", members=[other], answers={"assistant": "never"})
    conversation = created["conversation"]
    said = await host.send(conversation, "from the host")
    if role:
        given = Role.MEMBER if role is Role.AGENT else role
        await host.rpc("conversation.members.add", conversation=conversation, user=actor.user, role=given)
        await eventually(lambda: actor.noted.publications)  # its list is told of, too
    if role is Role.AGENT:  # nobody gives it to a person
        async with open_bus(house.redis) as bus:
            members = bus.floor.keys.conversation(conversation).members
            await bus.floor.commands.hset(members, actor.user, role)  # type: ignore[misc]  # redis' types
    speaks = role in (Role.OWNER, Role.MEMBER)
    own = (await actor.send(conversation, "from the actor"))["message"] if speaks else ""
    return actor, Stage(Device(actor), other, conversation, own, said["message"])


def test_every_operation_has_a_case():
    assert {*CASES, *COMMANDS} == set(Operation)


@pytest.mark.parametrize(("operation", "role"), CELLS)
async def test_a_role_does_what_the_table_says(
    arrive: Arrive, house: WholeHouse, operation: Operation, role: Role
) -> None:
    device, stage = await staged(arrive, house, role)
    judge(operation, role, await done(device, operation, stage))


@pytest.mark.parametrize("operation", Operation, ids=lambda each: each.name)
async def test_a_stranger_cannot_tell_it_from_none(
    arrive: Arrive, house: WholeHouse, operation: Operation
) -> None:
    device, stage = await staged(arrive, house, None)
    outcome = await done(device, operation, stage)
    judge_stranger(operation, None, outcome)
    nowhere = Stage(stage.actor, stage.other, new_id(), "", stage.hosts)
    assert await done(device, operation, nowhere) == outcome
