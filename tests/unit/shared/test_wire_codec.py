"""Replies and pushes as bytes, and that they are what JSON readers and the official SDK take."""

import json

import pytest

from services.shared.model.position import Position
from services.shared.wire import codec
from services.shared.wire.codes import INTERNAL, PERMISSION_DENIED, Unsubscribe

ODD = 'a"b\\c\n\u2028é😀'


def test_journal_bytes_are_spliced_in_as_they_are() -> None:
    pushed = codec.push_publication("#ann", b'{"type":"x","n":1.50}', 7)
    assert pushed == b'{"push":{"channel":"#ann","pub":{"data":{"type":"x","n":1.50},"offset":7}}}'


def test_a_transient_has_no_offset() -> None:
    assert json.loads(codec.push_publication("#ann", b"{}"))["push"]["pub"] == {"data": {}}


def test_odd_names_stay_on_one_line_and_come_back_whole() -> None:
    for made in (
        codec.push_join(ODD, b"{}"),
        codec.push_leave(ODD, b"{}"),
        codec.push_publication(ODD, b"{}"),
    ):
        assert b"\n" not in made
        assert json.loads(made)["push"]["channel"] == ODD
    assert json.loads(codec.client_info(ODD, ODD)) == {"user": ODD, "client": ODD}


def test_replies_carry_even_an_empty_result() -> None:
    assert codec.reply(4, "publish", b"{}") == b'{"id":4,"publish":{}}'
    assert codec.reply(4, "refresh", codec.refresh_result(None)) == b'{"id":4,"refresh":{}}'


def test_errors_say_temporary_only_when_they_are() -> None:
    assert json.loads(codec.error_reply(4, PERMISSION_DENIED)) == {
        "id": 4,
        "error": {"code": 103, "message": "permission denied"},
    }
    assert json.loads(codec.error_reply(4, INTERNAL))["error"]["temporary"] is True


def test_history_always_has_its_three_fields() -> None:
    assert json.loads(codec.history_result([], Position("", 0))) == {
        "publications": [],
        "epoch": "",
        "offset": 0,
    }


@pytest.mark.parametrize("why", list(Unsubscribe))
def test_an_unsubscribe_push_has_code_and_reason(why: Unsubscribe) -> None:
    told = json.loads(codec.push_unsubscribe("#ann", why))["push"]["unsubscribe"]
    assert told == {"code": why.code, "reason": why.reason}


def test_presence_maps_connections_to_infos() -> None:
    info = codec.client_info("ann", "c1", b'{"name":"Ann"}')
    told = json.loads(codec.presence_result({"c1": info}))
    assert told == {"presence": {"c1": {"user": "ann", "client": "c1", "conn_info": {"name": "Ann"}}}}
    assert json.loads(codec.presence_stats_result(0, 0)) == {"num_clients": 0, "num_users": 0}
