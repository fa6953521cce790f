"""The table of who may do what."""

import pytest

from services.shared.model.errors import NotMember, Refused
from services.shared.model.permissions import GIVEN, TABLE, Operation, Role, allowed, check, may


def test_every_operation_has_one_row():
    assert sorted(row.operation for row in TABLE) == sorted(Operation)


def test_an_owner_may_all_and_what_a_reader_may_a_member_may():
    for row in TABLE:
        assert Role.OWNER in row.roles
        assert Role.READER not in row.roles or Role.MEMBER in row.roles


def test_an_agent_takes_part_by_its_lease_and_by_nothing_here():
    assert Role.AGENT not in GIVEN
    assert [row.operation for row in TABLE if Role.AGENT in row.roles] == []


def test_a_row_is_told_to_scripts_with_commas_around_each_role():
    assert allowed(Operation.SEND) == ",owner,member,service, conversation.send"


def test_strangers_and_those_who_may_not_are_told_apart():
    check("reader", Operation.HISTORY, "ann", "there")
    with pytest.raises(NotMember):
        check(None, Operation.HISTORY, "ann", "there")
    with pytest.raises(Refused, match=r"the role reader may not do conversation\.send"):
        check("reader", Operation.SEND, "ann", "there")


def test_a_role_of_a_later_release_may_nothing():
    assert not any(may("keeper", operation) for operation in Operation)
