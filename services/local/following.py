"""What a device holds of a conversation it follows, and whom it tells of changes.

Called by `device`, which fills it, and by the chat and the demonstrations, which read it.
"""

from dataclasses import dataclass, field

from services.local.render import Log
from services.local.typists import Typists


@dataclass
class Followed:
    """A conversation this device follows."""

    log: Log = field(default_factory=Log)
    typists: Typists = field(default_factory=Typists)
    seen: list[tuple[int, str]] = field(default_factory=list)
    """(offset, type) of every publication the SDK delivered, in its order."""
    sessions: list[int] = field(default_factory=list)
    """Where in `seen` each (re)subscription began."""
    resets: int = 0
    """How often history had to be read."""
    live: bool = False
    ended: str = ""
    """Why the subscription ended for good."""


class Watcher:
    """What a device tells its owner; every method may be left as it is."""

    def changed(self, conversation: str) -> None:
        """The conversation's log changed."""

    def told(self, conversation: str, note: str) -> None:
        """Something besides the messages happened in it."""

    def typing(self, conversation: str, user: str) -> None:
        """This user began to type."""

    def named(self, conversation: str, by: str) -> None:
        """Somebody named the user in a message."""

    def marked(self, conversation: str, muted_ms: int | None) -> None:
        """The user muted or archived a conversation, on whatever device: quiet until then, None for good."""

    def invited(self, conversation: str, title: str) -> None:
        """The user became a member of a conversation, on whatever device."""

    def busy(self) -> None:
        """The servers take no more messages just now; what was to be sent is sent again by itself."""

    def connection(self, note: str) -> None:
        """The connection was lost, or is back."""

    def over(self, why: str) -> None:
        """The connection ended for good."""
