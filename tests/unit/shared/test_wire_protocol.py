"""Frames of clients: what is a command, and what is malformed."""

import pytest

from services.shared.wire.protocol import METHODS, MalformedError, RpcRequest, decode_frame


def test_a_frame_holds_commands_on_lines_with_or_without_a_last_newline() -> None:
    for end in (b"", b"\n", b"\r\n", b"\n\n"):
        commands = decode_frame(b'{"id":1,"ping":{}}\n{"id":2,"rpc":{"method":"m","data":[1, 2]}}' + end)
        assert [command.id for command, _ in commands] == [1, 2]


def test_data_is_kept_as_it_was_written() -> None:
    asked = decode_frame(b'{"id":2,"rpc":{"method":"m","data":{"a": 1.50, "b":"\\u00e9"}}}')[0][0].asked()
    assert asked is not None
    assert isinstance(asked[1], RpcRequest)
    assert bytes(asked[1].data) == b'{"a": 1.50, "b":"\\u00e9"}'


def test_unknown_fields_and_nulls_are_passed_over() -> None:
    command, _ = decode_frame(b'{"id":2,"later":{"x":[1]},"connect":null,"ping":{"y":1}}')[0]
    asked = command.asked()
    assert asked is not None
    assert asked[0] == "ping"


def test_no_known_method_is_no_question() -> None:
    assert decode_frame(b'{"id":2,"dance":{}}')[0][0].asked() is None


def test_only_a_command_without_id_and_send_is_a_pong() -> None:
    def is_pong(data: bytes) -> bool:
        return decode_frame(data)[0][0].is_pong

    assert is_pong(b"{}")
    assert is_pong(b'{"id":0,"rpc":{}}')
    assert not is_pong(b'{"send":{}}')
    assert not is_pong(b'{"id":1}')


def test_methods_count_in_the_order_of_the_protocol() -> None:
    assert METHODS == (
        "connect",
        "ping",
        "subscribe",
        "unsubscribe",
        "publish",
        "presence",
        "presence_stats",
        "history",
        "rpc",
        "send",
        "refresh",
        "sub_refresh",
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n \n",
        b"x",
        b"[]",
        b"1",
        b"null",
        b'{"id":1}{"id":2}',
        b'{"id":4294967296,"ping":{}}',
        b'{"id":"1","ping":{}}',
        b'{"id":1,"history":{"since":{"offset":-1}}}',
        b'{"id":1,"rpc":{"data":"\xff"}}',
        b'{"id":1,"rpc":{"data":"\xed\xa0\x80"}}',
        b'{"id":1,"rpc":{"data":' + b"[" * 30_000,
        b'{"id":1,"x":' + b'{"a":' * 12_000 + b"1" + b"}" * 12_001,
        b'{"id":1,"ping":{}}\n{"id":2',
    ],
)
def test_everything_else_is_malformed_and_nothing_worse(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_frame(data)
