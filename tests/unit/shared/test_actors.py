"""Who acts: users, and back ends that act as themselves, whom no user can be mistaken for."""

import pytest

from services.conversation.graph.memory import label
from services.shared.model.errors import Refused
from services.shared.model.ids import Channel, is_actor, is_service, is_user, service_actor
from services.shared.model.permissions import TABLE, Operation, Role, check_user, may

THEMSELVES = {
    *(Operation.SUBSCRIBE, Operation.LIST, Operation.READ, Operation.TYPING, Operation.REACT),
    *(Operation.LEAVE, Operation.MUTE, Operation.ARCHIVE),
}


def test_a_service_is_an_actor_and_no_user_with_no_channel_of_its_own() -> None:
    billing = service_actor("billing-2_A")
    assert billing == "service:billing-2_A"
    assert (is_actor(billing), is_service(billing), is_user(billing)) == (True, True, False)
    assert Channel.parse(f"#{billing}") is None
    assert (is_actor("ann"), is_service("ann")) == (True, False)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a.b", "x" * 33, "é", "a\n"])
def test_what_is_no_keys_name_makes_no_service(name: str) -> None:
    assert not is_actor(f"service:{name}")
    with pytest.raises(ValueError, match="is not the name of a key"):
        service_actor(name)


def test_what_is_remembered_of_a_service_lies_where_nothing_of_a_user_does() -> None:
    """A user's label has of punctuation `_ @ -` and what stands for a point."""
    billing = label(service_actor("billing"))
    assert billing == "service:billing"
    assert ":" not in label("service.billing@example-1_2")


def test_a_service_may_what_an_owner_may_but_not_for_itself() -> None:
    refused = {row.operation for row in TABLE if Role.SERVICE not in row.roles}
    assert refused == THEMSELVES
    assert all(may(Role.OWNER, row.operation) for row in TABLE)


def test_what_only_users_do_is_refused_to_services_by_its_name() -> None:
    check_user("ann", "conversation.invitations")
    with pytest.raises(Refused, match=r"the role service may not do conversation\.invitations"):
        check_user(service_actor("billing"), "conversation.invitations")
