"""What answers in a control run of the races of going back: the agent of these races, in a worker that leaves
threads where they are. Importing it makes a worker so.
"""

from collections.abc import Collection

from services.conversation.graph.threads import ContinuoThreads, Guard
from services.shared.model.ids import TurnId
from tests.support.racing_graph import graph as graph


async def _left(self: ContinuoThreads, guard: Guard, thread: str, turns: Collection[TurnId]) -> None:
    del self, guard, thread, turns


ContinuoThreads.forget = _left  # type: ignore[method-assign]
