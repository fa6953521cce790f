"""Values that must not be seen, from the environment or from files that may change while a process runs.

Made by `settings.load`. Who uses one calls `reveal` at the moment of use and keeps nothing: so a file that is
replaced, as Kubernetes does with a mounted Secret, is in force without a restart.
"""

from __future__ import annotations

from pathlib import Path


class Secret:
    """A value that is masked wherever it is printed or logged. `reveal` only to use it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value as it is now."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self.reveal())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self.reveal()

    def __hash__(self) -> int:
        return hash(self._value)


class SecretFile(Secret):
    """A secret in a file, read anew at every use. The white space around it does not count.

    No file: an empty secret, so that one which is taken away is no longer in force. A file that is there and
    cannot be read, or is no text, leaves the value last read in force.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        super().__init__("")
        self._path = Path(path)

    def reveal(self) -> str:
        """The value as the file has it now; what it costs is a small read from memory."""
        try:
            self._value = self._path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            self._value = ""
        except (OSError, ValueError):
            pass
        return self._value

    def __hash__(self) -> int:
        return hash(self._path)
