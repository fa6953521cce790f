"""A conversation whose log had to be read anew behind a person's back: the person is told, once."""

from types import SimpleNamespace

from services.local.device import Device
from services.local.following import Followed, Watcher
from services.local.sdk_events import ConversationEvents

SUBSCRIBED = SimpleNamespace(data={}, recovered=False)


class Told(Watcher):
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def told(self, conversation: str, note: str) -> None:
        self.notes.append(f"{conversation}: {note}")


async def no_token() -> str:
    return ""


async def test_who_followed_already_is_told_that_the_log_was_read_anew_and_only_then() -> None:
    told, followed = Told(), Followed()
    events = ConversationEvents(Device(["ws://127.0.0.1:1"], no_token, told), "c", followed)
    followed.resets = 2  # read twice before the first session: nothing was on the screen yet
    await events.on_subscribed(SUBSCRIBED)
    await events.on_subscribed(SUBSCRIBED)
    assert told.notes == []
    followed.resets = 3
    await events.on_subscribed(SUBSCRIBED)
    await events.on_subscribed(SUBSCRIBED)
    assert told.notes == ["c: read anew: what was said here may have changed"]
