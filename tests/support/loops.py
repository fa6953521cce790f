"""Event loops for tests: services run on uvloop, most tests on that of the standard library.

Where cancellation is concerned the two differ in when what becomes of a socket is told, so these tests run on
the services' loop, and the most important ones on both.
"""

import asyncio
from collections.abc import Callable

import pytest
import uvloop

Loops = dict[str, Callable[[], asyncio.AbstractEventLoop]]

_PLAIN: Loops = {"asyncio": asyncio.new_event_loop}
_ALL: Loops = {"uvloop": uvloop.new_event_loop, **_PLAIN}

ON_UVLOOP = pytest.mark.asyncio(loop_factories=["uvloop"])
ON_ASYNCIO = pytest.mark.asyncio(loop_factories=["asyncio"])
ON_BOTH = pytest.mark.asyncio(loop_factories=list(_ALL))


def loops_of(item: pytest.Item) -> Loops:
    """What a test can run on: the standard library's, unless it is marked."""
    marker = item.get_closest_marker("asyncio")
    return _ALL if marker and "loop_factories" in marker.kwargs else _PLAIN
