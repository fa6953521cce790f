"""A socket that broke unseen, under the loop the services run on: what is sent is tried again, no crash."""

import asyncio

import pytest
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError

from services.local.embedded import EmbeddedRedis
from services.shared.bus.sentinel import PromptConnection


def test_sending_on_a_socket_that_closed_unseen_is_an_error_of_the_connection(
    shared_redis: EmbeddedRedis,
) -> None:
    """uvloop raises RuntimeError there, which no retry knows and which took whole processes down."""

    async def send() -> None:
        host, port = shared_redis.address(shared_redis.master)
        connection = PromptConnection(host=host, port=port)
        await connection.connect()
        connection._writer.transport.abort()
        await asyncio.sleep(0)
        try:
            with pytest.raises(RedisConnectionError):
                await connection.send_command("PING")
            assert not connection.is_connected
        finally:
            await connection.disconnect(nowait=True)

    uvloop.run(send())
