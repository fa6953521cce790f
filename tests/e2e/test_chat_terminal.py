"""The first thing anybody tries: talk, kill the server in the middle of an answer, and lose nothing."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.machine import Machine, continuo
from tests.support.terminal_session import TerminalSession
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


async def test_an_answer_goes_on_where_it_was_when_its_server_is_killed(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "home")
    try:
        await machine.ready()
        terminal = TerminalSession(machine.home, "chat", "--user", "alice")
        try:
            await eventually(lambda: "in 'first conversation'" in terminal.shown, within_s=20)
            terminal.type("Please count to 150.\n")
            await eventually(lambda: " 30," in terminal.shown, within_s=20)
            os.kill(machine.pid_of("connection-1"), signal.SIGKILL)
            await eventually(lambda: "150. Done." in terminal.shown, within_s=40)
        finally:
            code = terminal.end()
        assert code == 0
        assert "* connection lost" in terminal.shown
        assert "* connected to " in terminal.shown
        for sign in ("[said anew]", "[taken back]", "Traceback"):
            assert sign not in terminal.shown
    finally:
        machine.end()


async def test_what_could_not_be_sent_when_a_chat_ended_is_sent_by_the_next_one(tmp_path: Path) -> None:
    """Alice's chat is killed, Bob's is left in order; nobody serves them meanwhile."""
    machine = Machine(tmp_path / "home")
    await machine.ready()
    killed = TerminalSession(machine.home, "chat", "--user", "alice")
    left = TerminalSession(machine.home, "chat", "--user", "bob")
    try:
        for terminal in (killed, left):
            terminal.type("/help\n")
            await eventually(lambda at=terminal: "so does Ctrl-D" in at.shown, within_s=20)
        machine.end()
        killed.type("one\ntwo\n")
        left.type("three\n")
        await eventually(lambda: len([*machine.home.glob("unsent/here/of-*/*.json")]) == 3, within_s=20)
        killed.process.kill()
    finally:
        killed.end()
        code = left.end()
    assert (code, "* not everything was sent" in left.shown) == (0, True)
    again = Machine(machine.home, {"CONTINUO_TOKEN_MS": "2"})
    try:
        await again.ready()
        alice = continuo(again.home, "chat", "--user", "alice", typed="three\n")
        bob = continuo(again.home, "chat", "--user", "bob")
    finally:
        again.end()
    assert "* sending what an earlier chat left unsent: 2 messages" in alice.stdout
    said = [line for line in alice.stdout.splitlines() if line.startswith("alice: ")]
    assert said == ["alice: one", "alice: two", "alice: three"]
    assert "bob: three" in bob.stdout
    assert [*again.home.glob("unsent/here/of-*/*")] == []


async def test_what_was_said_survives_the_death_of_the_whole_machine(tmp_path: Path) -> None:
    """Everything dies at once, Redis too; the next start must find every acknowledged message and the
    memory.
    """
    first = Machine(tmp_path / "home", {"CONTINUO_TOKEN_MS": "2"})
    try:
        await first.ready()
        continuo(first.home, "chat", typed="My name is Zoe.\n")
    finally:
        first.end(signal.SIGKILL)
    await eventually(lambda: first.descendants() == [], within_s=10)
    second = Machine(tmp_path / "home", {"CONTINUO_TOKEN_MS": "2"})
    try:
        await second.ready()
        said = continuo(second.home, "chat", typed="What is my name?\n")
    finally:
        second.end()
    assert "alice: My name is Zoe." in said.stdout
    assert "You are Zoe" in said.stdout


async def test_who_is_sent_away_for_good_is_told_and_what_is_said_then_is_not_lost(machine: Machine) -> None:
    terminal = TerminalSession(machine.home, "chat", "--user", "alice")
    try:
        await eventually(lambda: "in 'first conversation'" in terminal.shown, within_s=20)
        sent_away = continuo(machine.home, "disconnect", "alice")
        assert sent_away.returncode == 0, sent_away.stdout
        await eventually(lambda: "* disconnected for good: force disconnect (3503)" in terminal.shown, 20)
        terminal.type("one\n")
        await eventually(lambda: len([*machine.home.glob("unsent/here/of-*/*.json")]) == 1, within_s=20)
    finally:
        terminal.end()
    later = continuo(machine.home, "chat", "--user", "alice", typed="two\n")
    said = [line for line in later.stdout.splitlines() if line.startswith("alice: ")]
    assert said == ["alice: one", "alice: two"]
