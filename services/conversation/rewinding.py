"""Carries out turns that only bring an agent's thread back to before others (`Turn.rewinds`).

Called by intake, under the lease, so before anything else of that agent begins. The conversation's log is
back already; whoever dies here leaves the turn to the next worker, which does it again.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from services.conversation.core.retry import Fault, FaultKind
from services.conversation.graph.agent import AgentError
from services.conversation.keeper import Hold
from services.conversation.passage import Passage
from services.conversation.speaker import AGAIN_S, persist
from services.conversation.worker import Tools
from services.shared.model.events import Outcome
from services.shared.model.turn import Turn
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Trouble
from services.shared.runtime.whereabouts import whereabouts

GONE = "the thread could not be brought back, and begins anew"
"""Why such a turn failed. A thread that went on with what nobody said any more would be worse."""

log = get_logger(__name__)


async def go_back(tools: Tools, hold: Hold, turn: Turn, *, leaving: Callable[[], bool]) -> bool:
    """Bring the thread back and end the turn; False: `leaving` while Redis did not answer, and it is another
    worker's. Raises LeaseLost.
    """
    passage = Passage(hold, tools.tasks)
    outcome: Outcome = "completed"
    try:
        if turn.attempts - turn.handed_over > tools.settings.attempts:
            raise AgentError(Fault(FaultKind.BROKEN, "whoever tried before died of it"))
        if not await _attempted(tools, turn, passage, leaving):
            return False
    except AgentError as error:
        log.error("thread not brought back", turn=turn.id, agent=turn.agent, **whereabouts(error.__cause__))  # noqa: TRY400
        await persist(partial(tools.agent.forget, turn, guard=passage))
        outcome = "failed"
    finally:
        await passage.close()
    why = (GONE, FaultKind.BROKEN) if outcome == "failed" else ("", "")
    await persist(partial(tools.turns.finish, hold.lease, turn, outcome, *why, asks=None))
    log.info("thread brought back", turn=turn.id, agent=turn.agent, turns=len(turn.rewinds))
    return True


async def _attempted(tools: Tools, turn: Turn, passage: Passage, leaving: Callable[[], bool]) -> bool:
    """False: not done, and the worker has to go. Raises AgentError where no repeat would mend it."""
    unread = Trouble(log, "thread not read yet", "thread read at last")
    while True:
        try:
            await tools.agent.roll_back(turn, guard=passage)
        except AgentError as error:
            if error.fault.kind is not FaultKind.STORE:
                raise
            if leaving():
                return False
            unread.met(detail=error.fault.detail)
            await asyncio.sleep(AGAIN_S)
        else:
            unread.over()
            return True
