"""The records of a thread: the model's nouns as bytes, and back. Called by `checkpoints`; pure.

Every record begins with a byte, its format, and the CRC-32 of that byte and all that follows: what was cut
off, or has another bit, is never read as something else. Formats are those of `model.formats`: a later
one may add to the end of the msgpack arrays, which is passed over here. What the scripts read
themselves (headers, runs) holds no msgpack binary, for they could not decode it; they check no sum, so all
that they decide by must come here too. Numbers of elements stay below 2^53, for they count in doubles. Must
never quote content in an error.
"""

from collections.abc import Iterable, Sequence
from zlib import crc32

import msgspec

from services.shared.model import formats
from services.shared.model.errors import BadRequest, UnreadableCheckpoint
from services.shared.model.thread import Header, Kind, Place, Run, Shared, Typed, Write

HIGHEST = 2**53
"""No element has such a number."""

_CONTENT = 5
"""Where the content begins, behind format and checksum. The scripts count on it."""
_WHOLE = b"w"
_KINDS = {Kind.LIST: b"l", Kind.DICT: b"d"}
_KIND_OF = {letter: kind for kind, letter in _KINDS.items()}


class _Header(msgspec.Struct, array_like=True):
    parent: str
    versions: dict[str, str]
    needs: tuple[str, ...]
    source: str
    above: dict[str, str]
    turn: str | None = None


class _Run(msgspec.Struct, array_like=True):
    first: int
    count: int


_headers = msgspec.msgpack.Decoder(_Header)
_runs = msgspec.msgpack.Decoder(list[_Run])


def name(kind: str, *parts: str | int) -> bytes:
    """The name of a record, or of a member of `order`. Raises BadRequest when a part holds a NUL."""
    return b"\0".join((kind.encode(), *(_plain(str(part)) for part in parts)))


def plain(text: str) -> str:
    """A part of a name, as it is. Raises BadRequest when it holds a NUL."""
    _plain(text)
    return text


def parts(record: bytes) -> list[str]:
    """What a name was made of, its kind first."""
    return record.decode().split("\0")


def encode_header(header: Header) -> bytes:
    """Header as a record."""
    fields = _Header(
        parent=header.parent,
        versions=dict(header.versions),
        needs=header.needs,
        source=header.source,
        above=dict(header.above),
        turn=header.turn,
    )
    return _record(msgspec.msgpack.encode(fields))


def decode_header(at: Place, record: bytes | None) -> Header:
    """Header of the checkpoint at a place. Raises UnreadableCheckpoint, as all decoders here."""
    content = _content(at, "the header", record)
    try:
        read = _headers.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(at, "the header is damaged") from error
    return Header(read.parent, read.versions, read.needs, read.source, read.above, read.turn)


def encode_typed(typed: Typed) -> bytes:
    """A body or an element as a record."""
    return _record(_form(typed))


def decode_typed(at: Place, what: str, record: bytes | None) -> Typed:
    """A body or an element; `what` names it in errors."""
    [form], content = _texts(at, what, _content(at, what, record), 1)
    return form, content


def encode_value(value: Typed | Shared) -> bytes:
    """A channel's value as a record; of a shared one its runs, without the elements."""
    if not isinstance(value, Shared):
        return _record(_WHOLE + _form(value))
    return _record(_KINDS[value.kind] + msgspec.msgpack.encode(list(map(_run, value.runs))))


def decode_value(
    at: Place, channel: str, record: bytes | None, elements: Sequence[bytes | None]
) -> Typed | Shared:
    """A channel's value; `elements`: records of what its runs stand for, in order."""
    what = f"the value of channel {channel}"
    content = _content(at, what, record)
    if content[:1] == _WHOLE:
        [form], rest = _texts(at, what, content[1:], 1)
        return form, rest
    runs = decode_runs(at, channel, record)
    if sum(count for _, count in runs) != len(elements):
        raise _unreadable(at, f"{what} has other runs than elements")
    element = f"an element of channel {channel}"
    return Shared(
        _KIND_OF[content[:1]], runs, tuple(decode_typed(at, element, element_) for element_ in elements)
    )


def decode_runs(at: Place, channel: str, record: bytes | None) -> tuple[Run, ...]:
    """Runs of a shared value."""
    what = f"the value of channel {channel}"
    content = _content(at, what, record)
    if content[:1] not in _KIND_OF:
        raise _unreadable(at, f"{what} is of an unknown kind")
    try:
        read = _runs.decode(content[1:])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(at, f"{what} is damaged") from error
    if any(run.first < 0 or run.count < 1 or run.first + run.count > HIGHEST for run in read):
        raise _unreadable(at, f"{what} has impossible runs")
    return tuple((run.first, run.count) for run in read)


def encode_write(write: Write) -> bytes:
    """A pending write as a record; task and index stand in its name."""
    return _record(_plain(write.path) + b"\0" + _plain(write.channel) + b"\0" + _form(write.value))


def decode_write(at: Place, name_: bytes, record: bytes | None) -> Write:
    """A pending write."""
    what = "a pending write"
    (path, channel, form), content = _texts(at, what, _content(at, what, record), 3)
    try:
        _, _, _, task, index = parts(name_)
        return Write(task, int(index), path, channel, (form, content))
    except ValueError as error:
        raise _unreadable(at, f"{what} has a malformed name") from error


def in_order(writes: Iterable[Write]) -> tuple[Write, ...]:
    """Writes of one checkpoint in the order they take effect."""
    return tuple(sorted(writes, key=lambda write: (write.path, write.task, write.index)))


def _run(run: Run) -> _Run:
    first, count = run
    if first < 0 or count < 1 or first + count > HIGHEST:
        raise BadRequest(f"elements {first} and the {count - 1} behind it can't be numbered")
    return _Run(first, count)


def _form(typed: Typed) -> bytes:
    return _plain(typed[0]) + b"\0" + typed[1]


def _plain(text: str) -> bytes:
    if "\0" in text:
        raise BadRequest(
            f"a text of {len(text)} characters holds a NUL, which separates names in a thread's records"
        )
    return text.encode()


def _record(content: bytes) -> bytes:
    begin = bytes((formats.WRITES,))
    return begin + _checksum(begin, content) + content


def _content(at: Place, what: str, record: bytes | None) -> bytes:
    """What is behind format and checksum, as it was written."""
    if record is None:
        raise _unreadable(at, f"{what} is missing")
    if not record:
        raise _unreadable(at, f"{what} is truncated")
    if record[0] not in formats.READS:
        raise _unreadable(at, f"{what} is of format {record[0]}, which this release does not know")
    content = record[_CONTENT:]
    if record[1:_CONTENT] != _checksum(record[:1], content):
        raise _unreadable(at, f"{what} is damaged")
    return content


def _checksum(begin: bytes, content: bytes) -> bytes:
    return crc32(content, crc32(begin)).to_bytes(_CONTENT - 1, "big")


def _texts(at: Place, what: str, content: bytes, count: int) -> tuple[list[str], bytes]:
    """So many strings, each ended by NUL, and the bytes behind them."""
    *texts, rest = content.split(b"\0", count)
    if len(texts) < count:
        raise _unreadable(at, f"{what} is truncated")
    try:
        return [text.decode() for text in texts], rest
    except UnicodeDecodeError as error:
        raise _unreadable(at, f"{what} is damaged") from error


def _unreadable(at: Place, reason: str) -> UnreadableCheckpoint:
    return UnreadableCheckpoint(at.thread, at.id, reason)
