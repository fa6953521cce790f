"""What was typed and not acknowledged, in files: found again, in order, by its user only."""

import asyncio
import stat
from pathlib import Path

import pytest

from services.local.device import Device, RefusedError, new_id
from services.local.outbox import UNSENT
from services.local.talk import Talk
from services.local.terminal import Terminal
from services.local.unsent import Unsent, UnsentFiles, unsent_of
from services.local.view import View
from tests.support.waiting import eventually


def typed(count: int) -> list[Unsent]:
    return [Unsent("conversation", new_id(), f"text {number}") for number in range(count)]


def test_what_was_kept_is_found_in_the_order_it_was_typed(tmp_path: Path) -> None:
    messages = typed(50)  # many in one millisecond
    files = unsent_of(tmp_path, "ann", [])
    for each in messages:
        files.keep(each)
    assert unsent_of(tmp_path, "ann", []).found() == messages


def test_what_was_dropped_is_not_found_again_and_may_be_dropped_twice(tmp_path: Path) -> None:
    first, second = typed(2)
    files = unsent_of(tmp_path, "ann", [])
    files.keep(first)
    files.keep(second)
    other = unsent_of(tmp_path, "ann", [])
    assert other.found() == [first, second]
    files.drop(first)
    other.drop(first)
    assert unsent_of(tmp_path, "ann", []).found() == [second]


def test_users_and_servers_do_not_get_each_others(tmp_path: Path) -> None:
    [message] = typed(1)
    unsent_of(tmp_path, "..", ["ws://one", "ws://two"]).keep(message)
    assert unsent_of(tmp_path, "..", ["ws://two", "ws://one"]).found() == [message]
    for user, servers in (("..", []), (".", ["ws://one", "ws://two"]), ("..", ["ws://one"])):
        assert unsent_of(tmp_path, user, servers).found() == []


def test_only_its_owner_reads_what_was_typed(tmp_path: Path) -> None:
    unsent_of(tmp_path, "ann", []).keep(typed(1)[0])
    [file] = tmp_path.rglob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_no_message_is_left_alone(tmp_path: Path) -> None:
    files = unsent_of(tmp_path, "ann", [])
    files.keep(typed(1)[0])
    [file] = tmp_path.rglob("*.json")
    file.with_name("a.json").write_text("{")
    assert len(unsent_of(tmp_path, "ann", []).found()) == 1
    assert file.with_name("a.json").exists()


@pytest.mark.parametrize("left", [0, UNSENT + 5])
async def test_an_outbox_takes_what_was_left_and_a_person_no_more_than_its_bound(
    tmp_path: Path, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = unsent_of(tmp_path, "ann", [])
    for each in typed(left):
        files.keep(each)
    terminal = Terminal("> ")
    notes: list[str] = []

    async def lines() -> object:
        for number in range(UNSENT + 1 - min(left, UNSENT)):
            yield f"line {number}"
        yield "/quit"

    monkeypatch.setattr(Terminal, "interactive", property(lambda _: True))
    monkeypatch.setattr(terminal, "lines", lines)
    monkeypatch.setattr(terminal, "note", notes.append)
    monkeypatch.setattr("services.local.outbox.LAST_TRY_S", 0.0)
    talk = Talk(terminal, unsent_of(tmp_path, "ann", []))
    talk._views[""] = View()
    await talk.type_lines()
    assert [note.partition(",")[0] for note in notes] == [
        "not taken",
        "not everything was sent; your next chat here sends the rest",
    ]
    assert len(unsent_of(tmp_path, "ann", []).found()) == max(left, UNSENT)


class Asked(Device):
    """Takes messages, or refuses each."""

    def __init__(self, refuses: bool) -> None:
        self.texts: list[str] = []
        self._refuses = refuses

    async def send(  # type: ignore[override]
        self, conversation: str, text: str, message: str | None = None, *, reply_to: str = ""
    ) -> None:
        self.texts.append(text)
        if self._refuses:
            raise RefusedError("outside the window (410)")


def _files(folder: Path, named: str) -> list[Path]:
    return list(folder.rglob(named))


async def _delivered(
    files: UnsentFiles, device: Asked, count: int, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """What the person was told until so many messages had been tried and one more would be."""
    terminal = Terminal("> ")
    notes: list[str] = []
    monkeypatch.setattr(terminal, "note", notes.append)
    talk = Talk(terminal, files)
    talk._device = device
    task = asyncio.create_task(talk.deliver())
    await eventually(lambda: task.done() or (len(device.texts) == count and not talk._outbox.waiting))
    assert not task.done()
    task.cancel()
    return notes


async def test_a_file_that_stays_is_told_once_and_the_next_message_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = unsent_of(tmp_path, "ann", [])
    for each in typed(3):
        files.keep(each)
    again = unsent_of(tmp_path, "ann", [])

    def drop(_: Unsent) -> None:
        raise OSError("read-only file system")

    monkeypatch.setattr(again, "drop", drop)
    device = Asked(refuses=False)
    notes = await _delivered(again, device, 3, monkeypatch)
    assert device.texts == ["text 0", "text 1", "text 2"]
    assert ["read-only" in note for note in notes] == [True]


async def test_what_an_earlier_chat_left_and_the_server_refuses_is_kept_in_a_file_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsent_of(tmp_path, "ann", []).keep(typed(1)[0])
    notes = await _delivered(unsent_of(tmp_path, "ann", []), Asked(refuses=True), 1, monkeypatch)
    [file] = _files(tmp_path, "*.refused")
    assert notes[-1].endswith(str(file))
    assert "text 0" in file.read_text()
    assert unsent_of(tmp_path, "ann", []).found() == []


def test_what_was_dropped_takes_no_memory_and_the_order_goes_on(tmp_path: Path) -> None:
    files = unsent_of(tmp_path, "ann", [])
    messages = typed(30)
    for each in messages[:20]:
        files.keep(each)
    for each in messages[:20]:
        files.drop(each)
    assert files._files == {}
    for each in messages[20:]:
        files.keep(each)
    assert unsent_of(tmp_path, "ann", []).found() == messages[20:]
