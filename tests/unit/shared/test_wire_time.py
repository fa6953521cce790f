"""The time of a journal entry is found without parsing it, and never invented."""

import pytest

from services.shared.wire.envelopes import time_of


def test_the_time_that_the_script_put_first_is_found() -> None:
    assert time_of(b'{"time":1700000000123,"type":"message.delta","text":"\\"time\\":5"}') == 1700000000123


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"type":"typing"}',
        b'{"type":"message.created","time":5}',
        b'{"time":-5,"type":"x"}',
        b'{"time":"5","type":"x"}',
        b'{"time":5}',
        b'{"time":',
    ],
)
def test_a_body_that_does_not_begin_with_a_time_has_none(body: bytes) -> None:
    assert time_of(body) is None
