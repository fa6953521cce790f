"""The format of what processes leave for each other, so that two releases can work side by side.

It stands in journal entries, live payloads, turn records, documents of long-term memory and records of
threads. A rolling upgrade has processes of two neighbouring releases at work at once, and may be rolled back:
so each release reads what the one before and the one behind it write. What a next format may change, and
nothing else, is that it adds: fields behind those there are, members of JSON objects, elements at the end of
msgpack arrays. Whatever changes otherwise is read in one release and written in the next.
docs/design/20261128.formats.md has the list. Scripts need no format: each process sends its own by its hash.
"""

WRITES = 1
"""What this release writes."""
READS = frozenset({1, 2})
"""What it reads; a release writes at least 1, so there is none before it yet."""


def known(said: bytes | str | int | None) -> bool:
    """Whether this release reads a format, as it was found; None, where none is said, is format 1."""
    if said is None:
        return True
    try:
        return int(said) in READS
    except ValueError:
        return False
