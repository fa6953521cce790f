"""`continuo chat` through a pipe: what is typed is answered, from any terminal, and remembered."""

from pathlib import Path

import pytest

from tests.support.machine import Machine, continuo

pytestmark = pytest.mark.slow


async def test_a_conversation_is_answered_remembered_and_shared(machine: Machine) -> None:
    home = machine.home
    first = continuo(home, "chat", "--user", "alice", typed="My name is Zoe.\n")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "alice: My name is Zoe." in first.stdout
    assert "assistant: " in first.stdout

    later = continuo(home, "chat", "--user", "alice", typed="What is my name?\n/add bob\n")
    assert "alice: My name is Zoe." in later.stdout
    assert "You are Zoe" in later.stdout

    other = continuo(home, "chat", "--user", "bob", typed="/list\n/history\n")
    assert "first conversation" in other.stdout
    assert "bob joined" not in other.stdout
    assert "alice: What is my name?" in other.stdout


async def test_people_are_asked_in_and_answer(machine: Machine) -> None:
    home = machine.home
    typed = "/rename Plans\n/invite bo reader\n/members\n/role bo king\n"
    here = continuo(home, "chat", "--user", "al", typed=typed)
    assert here.returncode == 0, here.stdout + here.stderr
    assert "* bo is asked" in here.stdout
    assert "   owner  al" in here.stdout
    assert "* 'king' is no role: /role user owner, member or reader" in here.stdout
    there = continuo(home, "chat", "--user", "bo", typed="/invitations\n/accept\n/list\n/decline\n")
    assert "   1  Plans: al asks you in as reader" in there.stdout
    assert "* nobody asks you anywhere" in there.stdout
    later = continuo(home, "chat", "--user", "al", typed="/members\n/role bo owner\n/members\n/leave\n")
    assert "  reader  bo" in later.stdout
    assert "   owner  bo" in later.stdout
    assert "* you left\n* in 'conversation'" in later.stdout


async def test_several_conversations_stay_apart(machine: Machine) -> None:
    typed = "one\n/new second\ntwo\n/list\n/open 2\n/history\n"
    said = continuo(machine.home, "chat", "--user", "carl", typed=typed)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "> 1  second" in said.stdout
    assert "  2  first conversation" in said.stdout
    history = said.stdout.rpartition("in 'first conversation'")[2]
    assert "carl: one" in history
    assert "carl: two" not in history


async def test_a_wrong_command_and_a_stranger_s_conversation_are_told_in_a_line(machine: Machine) -> None:
    said = continuo(machine.home, "chat", "--user", "dora", typed="/fly\n/open 7\n")
    assert "* /fly is no command: /help" in said.stdout
    assert "* there are conversations 1 to 1: /list" in said.stdout
    strange = continuo(
        machine.home, "chat", "--user", "dora", "--conversation", "01900000-0000-7000-8000-000000000000"
    )
    assert strange.returncode == 1
    assert strange.stdout.splitlines()[-1].startswith("continuo chat: permission denied (103)")


async def test_what_an_agent_asks_is_shown_and_answered_from_another_chat(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "home", {"CONTINUO_GRAPHS": "assistant=tests.support.asking_graph:asker"})
    try:
        await machine.ready()
        first = continuo(machine.home, "chat", "--user", "alice", typed="do it\n")
        asks = '* assistant asks: {"question": "really?"}  (/answer ...)'
        assert asks in first.stdout
        second = continuo(machine.home, "chat", "--user", "alice", typed="/answer yes\n/answer no\n")
    finally:
        machine.end()
    assert asks in second.stdout
    assert "assistant: you said yes" in second.stdout
    assert "alice answered assistant: yes" in second.stdout
    assert "nothing is asked here" in second.stdout or "alice answered it" in second.stdout


async def test_a_message_is_edited_asked_again_and_taken_out(machine: Machine) -> None:
    def chat(typed: str) -> str:
        return continuo(machine.home, "chat", "--user", "eve", typed=typed).stdout

    chat("count to 2\n")
    chat("count to 3\n")
    edited = chat("/checkpoints\n/edit 1 count to 4\n")
    assert "   1  eve: count to 3  (answered by assistant)" in edited
    assert "   2  eve: count to 2  (answered by assistant)" in edited
    assert "* eve took back all that came of 'count to 3': it is asked in other words" in edited
    assert "* eve says instead of 'count to 3': count to 4" in edited
    assert "assistant: Counting: 1, 2, 3, 4. Done." in edited
    again = chat("/again 2\n")
    assert "it is asked anew" in again
    assert again.rstrip().endswith("assistant: Counting: 1, 2. Done.")
    out = chat("/rewind\n/rewind\n/checkpoints\n/edit 1\n/again last\n")
    assert "* eve took back 'count to 2' and all that came of it" in out
    assert out.count("* there is nowhere to go back to") == 2
    assert "* /edit 1 text" in out
    assert "* 'last' is no number: /checkpoints shows them" in out
    assert "Counting" not in chat("/history\n")


async def test_nobody_there_is_told_in_a_line(tmp_path: Path) -> None:
    server = "ws://127.0.0.1:19998/connection/websocket"
    said = continuo(tmp_path, "chat", "--server", server, extra={"CONTINUO_TOKEN_HMAC_SECRET": "x" * 32})
    assert said.returncode == 1
    assert said.stdout.splitlines()[-1].endswith("Is `continuo up` running?")
