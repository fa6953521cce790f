"""Bytes that serialised values once had: kept for good, so that what they stand for is always readable.

`tests/golden/threads` has a file per family of types; a line has a sample's name (`SAMPLES` in
tests/support/thread_types.py), its form and its bytes in hexadecimal. A name may stand on several lines,
oldest first: the serialiser writes the last, and reads all. Lines are added, never changed or removed:

    python -m tests.golden.thread_files

adds a line for each sample that has none, or is written in other bytes than its last line has. Do that for
a new sample; other bytes for an old one are a change of format, to be meant and released as such.
"""

from collections.abc import Iterator
from pathlib import Path

from services.conversation.graph.serde import ThreadSerializer
from tests.support.thread_types import ALLOWED, SAMPLES

FOLDER = Path(__file__).parent / "threads"
UNORDERED = frozenset({"set", "frozenset"})
"""Samples whose bytes differ from process to process."""

Line = tuple[str, str, bytes]
"""A sample's name, its form, its bytes."""


def lines() -> Iterator[Line]:
    """Yield what all files hold."""
    for file in sorted(FOLDER.glob("*.txt")):
        for line in file.read_text().splitlines():
            name, form, digits = line.split(" ")
            yield name, form, bytes.fromhex(digits)


def latest() -> dict[str, tuple[str, bytes]]:
    """Return name -> form and bytes of its last line."""
    return {name: (form, data) for name, form, data in lines()}


def missing() -> Iterator[Line]:
    """Yield what is to be added."""
    serializer, known = ThreadSerializer(ALLOWED), latest()
    for name, value in SAMPLES.items():
        written = serializer.dumps_typed(value)
        if name not in known or (written != known[name] and name not in UNORDERED):
            yield name, *written


def add() -> None:
    """Add what is missing, and tell."""
    FOLDER.mkdir(exist_ok=True)
    for name, form, data in list(missing()):
        with (FOLDER / f"{name.split('_', maxsplit=1)[0]}.txt").open("a") as file:
            file.write(f"{name} {form} {data.hex()}\n")
        print(f"added {name}: {len(data)} bytes")


if __name__ == "__main__":
    add()
