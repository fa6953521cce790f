"""Arguments that are wrong: the sentence says what is wanted, in words, and ends with the place."""

from __future__ import annotations

import msgspec
import pytest

from services.connection.arguments import read
from services.shared.model.errors import BadRequest
from services.shared.wire import rpc
from services.shared.wire.rpc import fields

TALK = "01980000-0000-7000-8000-00000000a001"
RANDOM = "01980000-0000-4000-8000-00000000a001"


@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [
        (rpc.Leave, {"conversation": "x"}, "Expected a UUID - at `$.conversation`"),
        (rpc.Send, {"conversation": TALK, "id": RANDOM, "text": "a"}, "Expected a UUIDv7 - at `$.id`"),
        (
            rpc.Invite,
            {"conversation": TALK, "user": "two words"},
            "Expected a user id: 1 to 64 of letters, digits, `-`, `_`, `.`, `@` - at `$.user`",
        ),
        (
            rpc.Create,
            {"agents": ["two words"]},
            "Expected an agent's name: 1 to 64 of letters, digits, `-`, `_` - at `$.agents[0]`",
        ),
        (
            rpc.Invite,
            {"conversation": TALK, "user": "bob", "role": "king"},
            "Invalid enum value 'king'; there are owner, member, reader - at `$.role`",
        ),
        (
            rpc.Configure,
            {"conversation": TALK, "double_texting": "both"},
            (
                "Invalid enum value 'both'; there are enqueue, reject, interrupt, rollback"
                " - at `$.double_texting`"
            ),
        ),
        (
            rpc.Create,
            {"answers": {"a": "maybe"}},
            "Invalid enum value 'maybe' - at `$.answers[...]`",
        ),
    ],
)
def test_what_is_wanted_is_said_in_words(kind: type[msgspec.Struct], arguments: object, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read(msgspec.json.encode(arguments), kind)
    assert str(refused.value) == said


def test_what_ends_too_early_is_called_so() -> None:
    with pytest.raises(BadRequest, match="no whole JSON: they end too early"):
        read(b'{"title": "Pla', rpc.Create)


def test_every_pattern_of_an_argument_has_words() -> None:
    kinds = [method.arguments for method in rpc.METHODS.values()]
    _, schemas = msgspec.json.schema_components(kinds)
    patterns = set(_patterns(schemas))
    assert patterns
    assert patterns <= fields.WANTED.keys()


def _patterns(schema: object) -> list[str]:
    if isinstance(schema, dict):
        own = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
        return own + [each for value in schema.values() for each in _patterns(value)]
    return [each for one in schema for each in _patterns(one)] if isinstance(schema, list) else []
