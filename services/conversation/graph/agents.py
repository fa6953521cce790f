"""Several agents by name, each with its graph, for a worker. Called by it as one Agent would be.

An agent without a graph here is answered for by nobody: its turn fails at once, with a reason, and waits
among the dead letters. Another agent answering in its name would be worse, and so would a turn that waits for
ever.
"""

from collections.abc import Mapping
from functools import partial

from services.conversation.core.retry import Fault, FaultKind
from services.conversation.graph.agent import Agent, AgentError, Boundary, Look
from services.conversation.graph.doings import Doer
from services.conversation.graph.narrate import Hearer
from services.conversation.graph.threads import Guard
from services.conversation.graph.watch import UNWATCHED, Courtesy, Watcher
from services.shared.model.asking import Ask
from services.shared.model.ids import AgentName
from services.shared.model.turn import Lease, Turn


class Agents:
    """All agents of a process."""

    def __init__(self, named: Mapping[AgentName, Agent]) -> None:
        self._named = named

    async def look(self, turn: Turn) -> Look:
        """As Agent's. Raises AgentError, also for an agent that has no graph here."""
        return await self._of(turn).look(turn)

    async def run(
        self,
        turn: Turn,
        *,
        resume: bool,
        guard: Guard,
        hearer: Hearer,
        doer: Doer | None = None,
        anew: bool = False,
        restless: bool = False,
        answering: bool = False,
        boundary: Boundary | None = None,
        watcher: Watcher = UNWATCHED,
        courtesy: Courtesy | None = None,
        look: Look | None = None,
    ) -> tuple[Ask, ...]:
        """As Agent's."""
        run = partial(self._of(turn).run, turn, resume=resume, anew=anew, restless=restless, doer=doer)
        run = partial(run, answering=answering, guard=guard, hearer=hearer, boundary=boundary)
        return await run(watcher=watcher, courtesy=courtesy, look=look)

    async def settle(self, turn: Turn, *, guard: Guard, watcher: Watcher = UNWATCHED) -> None:
        """As Agent's."""
        await self._of(turn).settle(turn, guard=guard, watcher=watcher)

    async def roll_back(self, turn: Turn, *, guard: Guard) -> None:
        """As Agent's; it takes no graph."""
        await self._any(turn).roll_back(turn, guard=guard)

    async def forget(self, turn: Turn, *, guard: Guard) -> None:
        """As Agent's; it takes no graph."""
        await self._any(turn).forget(turn, guard=guard)

    async def trim(self, lease: Lease, turn: Turn) -> None:
        """As Agent's; an agent without a graph here has left nothing to trim."""
        if turn.agent in self._named:
            await self._named[turn.agent].trim(lease, turn)

    def _any(self, turn: Turn) -> Agent:
        """Threads are the same for all."""
        return self._named.get(turn.agent) or next(iter(self._named.values()))

    def _of(self, turn: Turn) -> Agent:
        try:
            return self._named[turn.agent]
        except KeyError:
            raise AgentError(Fault(FaultKind.ABSENT, f"CONTINUO_GRAPHS has no {turn.agent}")) from None
