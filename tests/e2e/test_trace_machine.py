"""`continuo trace` beside a running `continuo up`, whose file of traces was full: what was typed in a chat,
step by step.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.local import kept_traces
from services.local.collected import Collected
from services.local.home import Home
from services.local.trace import told
from services.local.way import MESSAGE
from services.shared.runtime.tracing import spans
from tests.support.machine import Machine, continuo
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow
ELSEWHERE = {spans.CONNECT, spans.SUBSCRIBE, spans.ANSWER, spans.REQUEST}
"""In traces of their own."""
STEPS = [row.name for row in spans.table() if row not in {*ELSEWHERE, spans.CHAT, spans.TOOL}]
"""One trace's, by names that stand."""


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    home = tmp_path / "home"
    home.mkdir()
    with Home(home).traces.open("wb") as full:
        full.truncate(kept_traces.FULL_BYTES)
    started = Machine(home, {"CONTINUO_TOKEN_MS": "2"})
    try:
        await started.ready()
        yield started
    finally:
        started.end()


async def test_a_message_typed_in_a_chat_is_shown_from_send_to_delivery_and_a_full_file_moved_away(
    machine: Machine,
) -> None:
    assert machine.said("continuo trace <message id>") == 1
    said = continuo(machine.home, "chat", "--user", "alice", typed="a secret of alice\n")
    assert said.returncode == 0, said.stdout + said.stderr
    file = Home(machine.home).traces

    def whole() -> list[str]:
        message = _latest(machine)
        traces = Collected(file).traces_of(MESSAGE, message) if message else []
        names = {span.name for one in traces for span in one}
        return told(file, message) if names >= set(STEPS) else []

    await eventually(whole, within_s=20, every_s=0.5)
    shown = continuo(machine.home, "trace", _latest(machine))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[4].split()[4:6] == ["message.send", "connection"]
    assert [name for name in STEPS if not any(f" {name} " in line for line in lines)] == []
    assert "PARENT" not in shown.stdout
    assert "FAILED" not in shown.stdout
    assert "secret of alice" not in file.read_text()
    assert len(lines) == len(set(lines))
    assert kept_traces.older(file).stat().st_size == kept_traces.FULL_BYTES
    assert file.stat().st_size < kept_traces.FULL_BYTES


def _latest(machine: Machine) -> str:
    listed = continuo(machine.home, "trace")
    return listed.stdout.splitlines()[-1].split()[3] if listed.returncode == 0 else ""
