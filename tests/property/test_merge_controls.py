"""Control runs: with one protection of the merge switched off, the checker of the interleavings must catch
it.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from services.connection.core import merge
from services.connection.core.joining import JoinMerge
from services.connection.core.merge import ChannelMerge
from services.shared.model.position import Position, serves

sys.path.insert(0, str(Path(__file__).parent))
from test_merge_interleavings import Pod  # tests are no package: this is how they share a machine

search = settings(
    max_examples=2000,
    stateful_step_count=50,
    deadline=None,
    phases=[Phase.generate],
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def _show_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        ChannelMerge, "_settle", lambda self: self._let_go([self._held.popleft() for _ in list(self._held)])
    )


def _overlook_holes(patch: pytest.MonkeyPatch) -> None:
    def careless(self: ChannelMerge, push: object, position: Position) -> list[object]:
        self._hold_push(push, position, 10**9)  # type: ignore[arg-type]
        return []

    patch.setattr(ChannelMerge, "_heard_beyond_a_hole", careless)


def _never_compare(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ChannelMerge, "compared", lambda *_: None)


def _forget_what_joiners_missed(patch: pytest.MonkeyPatch) -> None:
    honest = JoinMerge.answer
    patch.setattr(JoinMerge, "answer", lambda self, top: None if honest(self, top) is None else ())


def _answer_whatever_was_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        JoinMerge, "answer", lambda self, top: tuple(e for e in self._recent if e.offset > top.offset)
    )


def _overlook_trimmed_deltas(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(merge, "_leads_on", lambda reading, position: serves(reading.head, position))


def _keep_what_was_taken_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ChannelMerge, "_was_taken_back", lambda *_: False)


@pytest.mark.parametrize(
    "switch_off",
    [
        _show_at_once,
        _overlook_holes,
        _never_compare,
        _forget_what_joiners_missed,
        _answer_whatever_was_read,
        _overlook_trimmed_deltas,
        _keep_what_was_taken_back,
    ],
    ids=lambda switch: switch.__name__.strip("_"),
)
def test_a_missing_protection_is_caught(switch_off: Callable[[pytest.MonkeyPatch], None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        switch_off(patch)
        with pytest.raises((AssertionError, KeyError)):
            run_state_machine_as_test(Pod, settings=search)
