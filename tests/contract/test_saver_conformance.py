"""LangGraph's own conformance tests for savers, run on ours and on its in-memory one.

On a Redis that no other module writes to: it deletes by run, which looks through every thread there is. The
package's `test_*` functions stay behind its module: imported by name they would be collected here too.
"""

from collections.abc import AsyncIterator

import pytest
from langgraph.checkpoint import conformance
from langgraph.checkpoint.conformance.capabilities import BASE_CAPABILITIES, Capability
from langgraph.checkpoint.conformance.initializer import RegisteredCheckpointer
from langgraph.checkpoint.conformance.report import CapabilityResult, ProgressCallbacks
from langgraph.checkpoint.memory import InMemorySaver

from services.local.embedded import EmbeddedRedis
from tests.support.open_bus import open_bus
from tests.support.savers import open_saver


async def outcome(registered: RegisteredCheckpointer, capability: Capability) -> CapabilityResult:
    """What one capability's tests said; where one failed its traceback is in the captured output."""
    report = await conformance.validate(
        registered, capabilities={capability.value}, progress=ProgressCallbacks.verbose()
    )
    return report.results[capability.value]


@pytest.mark.parametrize("capability", list(Capability), ids=lambda capability: capability.value)
async def test_our_saver_has_and_keeps_every_capability(
    workers_redis: EmbeddedRedis, capability: Capability
) -> None:
    async with open_bus(workers_redis) as bus:

        async def ours() -> AsyncIterator[object]:
            yield await open_saver(bus)

        result = await outcome(RegisteredCheckpointer("ours", ours), capability)
    assert (result.detected, result.failures) == (True, [])
    assert result.tests_passed > 0


@pytest.mark.parametrize("capability", sorted(BASE_CAPABILITIES), ids=lambda capability: capability.value)
async def test_the_in_memory_saver_that_ours_is_compared_with_keeps_the_basic_ones(
    capability: Capability,
) -> None:
    async def in_memory() -> AsyncIterator[object]:
        yield InMemorySaver()

    result = await outcome(RegisteredCheckpointer("in memory", in_memory), capability)
    assert (result.detected, result.failures) == (True, [])
    assert result.tests_passed > 0
