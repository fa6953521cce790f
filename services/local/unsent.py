"""What was typed and not acknowledged yet, each message in a file of its own.

Called by the chat, which keeps a message here before it sends it and drops it once the server has it or will
never take it. Whatever ends the chat, the next one of the same user finds it here and sends it with the same
id, which is harmless where it was taken before. Must never make texts readable for others.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec


@dataclass(frozen=True, slots=True)
class Unsent:
    """A message typed and not acknowledged yet. reply_to: the message it replies to, or none."""

    conversation: str
    message: str
    text: str
    reply_to: str = ""


class UnsentFiles:
    """One user's, in one folder. Two chats may share it: what both send is said once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Path] = {}
        self._seen = 0

    def found(self) -> list[Unsent]:
        """What an earlier chat left, in the order it was typed; what is no message of ours is left alone."""
        found: list[Unsent] = []
        for file in sorted(self._folder.glob("*.json")):
            try:
                unsent = msgspec.json.decode(file.read_bytes(), type=Unsent)
            except (OSError, msgspec.DecodeError):
                continue
            self._files[unsent.message] = file
            self._seen += 1
            found.append(unsent)
        return found

    def keep(self, unsent: Unsent) -> None:
        """Write a message down; whole or not at all. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Ids made in one millisecond do not sort by when they were made.
        file = self._folder / f"{unsent.message[:13]}.{self._seen:06d}.{unsent.message}.json"
        part = file.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as written:
            written.write(msgspec.json.encode(asdict(unsent)))
        part.rename(file)
        self._files[unsent.message] = file
        self._seen += 1

    def drop(self, unsent: Unsent) -> None:
        """The server has it, or never will; harmless when another chat was quicker. Raises OSError."""
        if file := self._files.pop(unsent.message, None):
            file.unlink(missing_ok=True)

    def set_aside(self, unsent: Unsent) -> Path | None:
        """Keep a text the server never takes where no chat sends it again; the file, None when another chat
        was quicker. Raises OSError.
        """
        file = self._files.pop(unsent.message, None)
        if file is None or not file.exists():
            return None
        return file.rename(file.with_suffix(".refused"))


def unsent_of(folder: Path, user: str, servers: Sequence[str]) -> UnsentFiles:
    """The user's files below `folder`; `servers`: those that were named, none for this folder's own."""
    place = hashlib.sha256(",".join(sorted(servers)).encode()).hexdigest()[:12] if servers else "here"
    return UnsentFiles(folder / "unsent" / place / f"of-{user}")
