"""Values that were kept by an earlier release are read as they were, and written as they were."""

from typing import Any

import pytest

from services.conversation.graph.serde import ThreadSerializer
from tests.golden import thread_files
from tests.support.thread_types import ALLOWED, READ_BACK, SAMPLES, assert_same

OURS = ThreadSerializer(ALLOWED)
LINES = list(thread_files.lines())


@pytest.mark.parametrize(("name", "form", "data"), LINES, ids=[name for name, _, _ in LINES])
def test_what_was_once_written_is_read_as_it_was(name: str, form: str, data: bytes) -> None:
    expected: Any = READ_BACK.get(name, SAMPLES[name])
    assert_same(OURS.loads_typed((form, data)), expected)


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - thread_files.UNORDERED))
def test_a_value_is_written_as_it_was_last(name: str) -> None:
    """See tests/golden/thread_files.py for how to add a new one."""
    assert OURS.dumps_typed(SAMPLES[name]) == thread_files.latest()[name]


def test_each_sample_has_a_line() -> None:
    assert thread_files.latest().keys() == SAMPLES.keys()
