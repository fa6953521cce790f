import hashlib

import pytest

from services.shared.runtime.tracing import of_attempt, trace_id
from services.shared.runtime.tracing.context import Context, attempt_span, read, write

TRACE, SPAN = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_what_is_written_is_read():
    for sampled in (True, False):
        assert read(write(TRACE, SPAN, sampled=sampled)) == Context(TRACE, SPAN, sampled)
    assert write(TRACE, SPAN, sampled=True) == PARENT


@pytest.mark.parametrize("flags", ["01", "03", "ff"])
def test_only_the_last_bit_of_the_flags_says_sampled(flags: str):
    context = read(PARENT[:-2] + flags)
    assert context is not None
    assert context.sampled


def test_a_later_version_is_read_as_far_as_it_is_known():
    assert read("cc" + PARENT[2:] + "-what-comes-later") == Context(TRACE, SPAN, sampled=True)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "00",
        PARENT.upper(),
        PARENT + "-more",
        PARENT + "\n",
        " " + PARENT,
        "ff" + PARENT[2:],
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        PARENT.replace("a", "à"),
        PARENT.replace("1", "١"),
        "cc" + PARENT[2:] + "-" + "x" * 10_000,
    ],
)
def test_what_is_no_traceparent_is_none(wrong: str):
    assert read(wrong) is None
    assert trace_id(wrong) == ""
    assert of_attempt(wrong, "a1") == ""


def test_an_attempts_span_is_named_by_its_id_alone():
    expected = hashlib.sha256(b"a1").hexdigest()[:16]
    assert of_attempt(PARENT, "a1") == f"00-4bf92f3577b34da6a3ce929d0e0e4736-{expected}-01"
    assert attempt_span("a1") == int(expected, 16)
    assert of_attempt(PARENT, "") == ""


def test_the_traces_id_is_told_apart():
    assert trace_id(PARENT) == "4bf92f3577b34da6a3ce929d0e0e4736"
