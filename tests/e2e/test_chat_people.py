"""`continuo chat` of several people: messages changed, what is unread, who types and who is there."""

import pytest

from tests.support.machine import Machine, continuo
from tests.support.terminal_session import TerminalSession
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


async def test_messages_are_corrected_replied_to_reacted_to_and_deleted(machine: Machine) -> None:
    def chat(user: str, typed: str) -> str:
        return continuo(machine.home, "chat", "--user", user, typed=typed).stdout

    chat("ann", "we meet at five\n/add bob\n")
    told = chat("ann", "/correct 1 we meet at six\n/correct 1\n/correct 99 x\n/react 2 +1\n")
    assert "* ann says instead of 'we meet at five': we meet at six" in told
    assert "* /correct 12 text: /history shows the numbers" in told
    assert "* there is no message 99: /history" in told
    assert "* ann puts +1 to assistant's" in told

    bob = chat("bob", "/react 1 +1\n/reply 1 @ann I am in\n/correct 1 never\n/delete 1\n")
    assert "ann: we meet at six  (edited)" in bob
    assert "bob (to ann: 'we meet at six'): @ann I am in" in bob
    assert bob.count("(403)") == 2  # not his own, and he is no owner

    history = chat("ann", "/react 1 +1\n/react 1 +1 off\n/delete 3\n/history\n/history 1\n")
    assert "bob (to ann: 'we meet at six'): @ann I am in  (names you)" in history
    assert "* ann takes +1 back from ann's 'we meet at six'" in history
    assert "* bob said '@ann I am in': it was deleted" in history
    listed = chat("ann", "/history\n")
    assert "   1  ann: we meet at six  (edited)  [+1 bob]" in listed
    assert "   3  bob (to ann: 'we meet at six'): (deleted)" in listed
    assert listed.count("  1  ann: we meet") == 1


async def test_what_is_unread_muted_and_archived_is_the_same_in_every_chat(machine: Machine) -> None:
    def chat(user: str, typed: str) -> str:
        return continuo(machine.home, "chat", "--user", user, typed=typed).stdout

    chat("ann", "/new Plans\none\ntwo\n")
    chat("bob", "/new Mine\n")
    chat("ann", "/add bob\n")
    other = chat("bob", "/list\n/mute\n/mute 8\n/archive\n/mute soon\n")
    assert "> 1  Mine\n" in other
    assert "  3  Plans  (4 unread)" in other
    assert "* muted\n* muted until 20" in other
    assert "* archived" in other
    assert "* /mute, /mute 8 for so many hours, or /mute off" in other
    read = chat("bob", "/open 2\n/list\n")
    assert "* in 'first conversation'\n* in 'Plans'" in read  # the newest that is not archived
    assert "> 2  Plans\n" in read
    assert "  3  Mine  (muted until 20" in read
    assert ", archived)" in read
    undone = chat("bob", "/open 3\n/mute off\n/archive off\n/list\n")
    assert "* not muted\n* not archived\n> 1  Mine\n" in undone
    assert "  member  bob  (has read to 4)" in chat("ann", "/members\n")


async def test_who_types_and_who_is_there_is_shown_while_it_is_so(machine: Machine) -> None:
    continuo(machine.home, "chat", "--user", "ann", typed="/new Plans\n/add bob\n/add cleo\n")
    ann = TerminalSession(machine.home, "chat", "--user", "ann")
    bob = TerminalSession(machine.home, "chat", "--user", "bob")
    try:
        for one in (ann, bob):
            await eventually(lambda at=one: "in 'Plans'" in at.shown, within_s=20)
        bob.type("I come")
        await eventually(lambda: "* bob types ..." in ann.shown, within_s=20)
        ann.type("/who\n")
        await eventually(lambda: " present  bob  types" in ann.shown, within_s=20)
        bob.type(" at five\n")
        await eventually(lambda: "bob: I come at five" in ann.shown, within_s=20)
        ann.type("/who\n")
        await eventually(lambda: ann.shown.count(" present  bob") == 2, within_s=20)
        assert ann.shown.count("bob  types") == 1
        ann.type("@bob good\n")
        await eventually(lambda: "ann: @bob good  (names you)" in bob.shown, within_s=20)
    finally:
        bob.end()
        ann.end()
    later = continuo(machine.home, "chat", "--user", "cleo", typed="/who\n").stdout
    assert "  last seen 20" in later
