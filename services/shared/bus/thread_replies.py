"""Replies of the thread scripts as values of the model. Called by `checkpoints`; pure.

Every decoder raises UnreadableCheckpoint where a record is damaged or missing.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.shared.bus.thread_records import (
    decode_header,
    decode_runs,
    decode_typed,
    decode_value,
    decode_write,
    in_order,
    parts,
)
from services.shared.model.errors import UnreadableCheckpoint
from services.shared.model.thread import (
    Header,
    KeptCheckpoint,
    Outline,
    Past,
    Place,
    Run,
    Shared,
    Survey,
    Typed,
    Write,
)

Records = Sequence[bytes | None]
"""Names and records by turns; a record that is missing is None."""


def checkpoint(asked: Place, reply: Sequence[Any]) -> KeptCheckpoint:
    """The reply of `thread_read`."""
    _, id_, header, body, values, pending = reply
    at = replace(asked, id=id_.decode())
    head = decode_header(at, header)
    read = dict(_value(at, fields) for fields in values)
    return KeptCheckpoint(
        place=at,
        header=head,
        body=decode_typed(at, "the body", body),
        values={channel: read[channel] for channel in head.versions if channel in read},
        writes=_writes(at, pending),
    )


def outline(thread: str, space: str, fields: Sequence[Any]) -> Outline:
    """One checkpoint of the reply of `thread_page`."""
    id_, header, body = fields
    at = Place(thread, space, id_.decode())
    return Outline(at, decode_header(at, header), decode_typed(at, "the body", body))


class History:
    """What replies of `thread_past` add up to."""

    def __init__(self, place: Place, channels: Collection[str]) -> None:
        self._place = place
        self._newest_first: dict[str, list[tuple[Write, ...]]] = {channel: [] for channel in channels}
        self._seeds: dict[str, Typed | Shared] = {}
        self.open = set(channels)
        """Channels whose nearest value was not met yet."""

    def add(self, asked: Sequence[Any], ancestors: Sequence[Any]) -> None:
        """Take what more ancestors contributed, nearest first; asked: id and header of whose they are."""
        if asked:
            self._check(*asked)
        for id_, header, pending, values in ancestors:
            at = self._check(id_, header)
            writes = _writes(at, pending)
            for channel in self.open:
                own = tuple(write for write in writes if write.channel == channel)
                self._newest_first[channel].append(own)
            self._seeds |= dict(_value(at, fields) for fields in values)
            self.open -= self._seeds.keys()

    def _check(self, id_: bytes, header: bytes) -> Place:
        """Where a checkpoint stands whose header the script went by."""
        at = replace(self._place, id=id_.decode())
        decode_header(at, header)
        return at

    def pasts(self) -> dict[str, Past]:
        """What was contributed to each channel."""
        return {
            channel: Past(tuple(write for own in reversed(steps) for write in own), self._seeds.get(channel))
            for channel, steps in self._newest_first.items()
        }


def survey(thread: str, reply: Sequence[Any]) -> Survey:
    """The reply of `thread_survey`."""
    ordered, written, kept, digest = reply
    headers: dict[Place, Header] = {}
    for name, record in _pairs(ordered):
        at = Place(thread, *_named(thread, name, 2))
        headers[at] = decode_header(at, record)
    places = frozenset(Place(thread, *_named(thread, name, 4)[:2]) for name in written)
    return Survey(headers, places, _values(thread, headers, kept), digest.decode())


def _values(
    thread: str, headers: Mapping[Place, Header], kept: Records
) -> dict[tuple[str, str, str], tuple[Run, ...]]:
    """Runs of all values. One that can't be read is named after a checkpoint that refers to it."""
    users = {
        (at.space, channel, version): at
        for at, header in headers.items()
        for channel, version in header.versions.items()
    }
    found: dict[tuple[str, str, str], tuple[Run, ...]] = {}
    for name, record in _pairs(kept):
        space, channel, version = _named(thread, name, 3)
        at = users.get((space, channel, version), Place(thread, space))
        found[space, channel, version] = () if record is None else decode_runs(at, channel, record)
    return found


def _named(thread: str, name: bytes, count: int) -> list[str]:
    """So many parts of a name, behind its kind."""
    try:
        _, *named = parts(name)
    except UnicodeDecodeError as error:
        raise UnreadableCheckpoint(thread, "", "a record's name is damaged") from error
    if len(named) != count:
        raise UnreadableCheckpoint(thread, "", "a record's name is damaged")
    return named


def _value(at: Place, fields: Sequence[Any]) -> tuple[str, Typed | Shared]:
    channel = fields[0].decode()
    return channel, decode_value(at, channel, fields[1], fields[2])


def _writes(at: Place, flat: Records) -> tuple[Write, ...]:
    return in_order(decode_write(at, name, record) for name, record in _pairs(flat))


def _pairs(flat: Sequence[Any]) -> Iterator[tuple[bytes, bytes | None]]:
    return zip(flat[::2], flat[1::2], strict=True)
