"""A running turn's mailbox: a signal waits in it once, however often it is given."""

from types import SimpleNamespace
from typing import Any

from services.conversation.core.happenings import CancelAsked, HandOverAsked
from services.conversation.settings import WorkerSettings
from services.conversation.worker import TurnRun
from services.shared.runtime.clock import FakeClock


def run() -> TurnRun:
    tools: Any = SimpleNamespace(
        turns=None, tasks=None, clock=FakeClock(), metrics=None, settings=WorkerSettings()
    )
    turn = SimpleNamespace(id="turn", completed={})
    trail: Any = SimpleNamespace(turn=turn, instruments=SimpleNamespace(metrics=None))
    hold: Any = SimpleNamespace(lease=None)
    return TurnRun(tools, hold, trail)


def waiting(turn: TurnRun) -> list[object]:
    return [turn._inbox.get_nowait() for _ in range(turn._inbox.qsize())]


def test_a_turn_cancelled_again_and_again_holds_one_cancel_and_one_order_to_hand_over() -> None:
    turn = run()
    for _ in range(1000):
        turn.cancel()
        turn.hand_over()
    assert waiting(turn) == [CancelAsked(), HandOverAsked()]
