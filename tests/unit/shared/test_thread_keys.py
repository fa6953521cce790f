"""Where a thread lies: beside its conversation, under keys that tell the thread again."""

import pytest

from services.shared.bus.keys import Keys
from services.shared.model.errors import BadRequest

KEYS = Keys(64)


@pytest.mark.parametrize("thread", ["c.assistant", "c", "c.a.b", "c-1.x_Y", "c:d.a"])
def test_a_thread_is_known_by_its_key(thread: str) -> None:
    assert KEYS.thread_of(KEYS.thread(thread).order) == thread


def test_a_thread_lies_in_the_partition_of_what_is_before_the_first_dot() -> None:
    at, keys = KEYS.conversation("c"), KEYS.thread("c.a.b")
    assert keys.lease == at.lease
    assert keys.order == f"{at.base}:thread:a.b:order"
    assert keys.records == f"{at.base}:thread:a.b:records"
    assert KEYS.thread("c").order == f"{at.base}:thread::order"


@pytest.mark.parametrize(
    "key",
    [
        KEYS.conversation("c").order,
        KEYS.thread("c.a").records,
        "{p99}:c:c:thread:a:order",
        "thread::order",
        "",
        ":thread:a:order",
    ],
)
def test_another_key_is_no_threads(key: str) -> None:
    assert KEYS.thread_of(key) is None


@pytest.mark.parametrize("thread", ["", ".", ".a", "c.", "c:thread:d", "c.a:thread:b"])
def test_an_id_whose_keys_could_be_anothers_is_none(thread: str) -> None:
    with pytest.raises(BadRequest):
        KEYS.thread(thread)
