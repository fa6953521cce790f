"""Types of arguments with their bounds, as docs/protocol.md tells them. Called by the modules of RPCs."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.shared.model.conversation import WhenAnswers

_ID = r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\Z"

_TIMED = r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-7[0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}\Z"

_USER = r"^[A-Za-z0-9_.@-]{1,64}\Z"
_AGENT = r"^[A-Za-z0-9_-]{1,64}\Z"

WANTED = {
    _ID: "a UUID",
    _TIMED: "a UUIDv7",
    _USER: "a user id: 1 to 64 of letters, digits, `-`, `_`, `.`, `@`",
    _AGENT: "an agent's name: 1 to 64 of letters, digits, `-`, `_`",
}
"""What each pattern means, in the words that who gave something else is told."""

Id = Annotated[str, Meta(pattern=_ID, description="UUID text")]
TimedId = Annotated[str, Meta(pattern=_TIMED, description="UUIDv7 text")]
PublishedId = Annotated[str, Meta(pattern=_ID, description="UUIDv7 text")]
"""Judged by the bus: what is no message at all may not be published, and is refused otherwise."""
User = Annotated[str, Meta(pattern=_USER, description="user id")]
Agent = Annotated[str, Meta(pattern=_AGENT, description="agent name")]
Agents = Annotated[list[Agent], Meta(min_length=1, max_length=8, extra_json_schema={"uniqueItems": True})]
Title = Annotated[str, Meta(max_length=200, description="text")]
Text = Annotated[str, Meta(min_length=1, description="text")]
Traceparent = Annotated[str, Meta(description="W3C traceparent of the client's own trace")]
Interrupt = Annotated[str, Meta(min_length=1, max_length=128, description="text")]
Anything = Annotated[msgspec.Raw, Meta(description="any JSON, at most 64 KiB")]
Schema = Annotated[msgspec.Raw | msgspec.UnsetType, Meta(description="JSON Schema")]
Role = Literal["owner", "member", "reader"]
Answering = Annotated[
    dict[Agent, WhenAnswers],
    Meta(max_length=8, description='agent name -> "always" \\| "mention" \\| "never"'),
]
