"""What `schemathesis` is told of the house, as a module of hooks: which conversation and user there are.

Read by its command line (SCHEMATHESIS_HOOKS) in test_api_schema.py. Half of what it makes up is about things
that are there, so that it meets more than refusals. What is wrong on purpose stays as it is.
"""

import os
import time
from typing import Any

import schemathesis

from services.shared.model.ids import ENTROPY_BYTES, is_user, is_uuid, is_uuid7, uuid7

KNOWN = {"conversation": os.environ["API_CONVERSATION"], "X-Continuo-User": os.environ["API_USER"]}
MESSAGES = ("/api/v1/conversation/send", "/api/v1/conversation/answer", "/api/v1/conversation/rewind")


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """About the conversation that is there, said now; and whole numbers as whole numbers are written."""
    if not isinstance(body, dict):
        return body
    body = {name: _whole(value) for name, value in body.items()}
    if _often(body) and _is_id(body.get("conversation")):
        body["conversation"] = KNOWN["conversation"]
        if context.operation.path in MESSAGES and _is_id(body.get("id")) and is_uuid7(body["id"].lower()):
            body["id"] = uuid7(int(time.time() * 1000), os.urandom(ENTROPY_BYTES))
    return body


@schemathesis.hook
def map_headers(context: Any, headers: Any) -> Any:
    """As the user that is there."""
    if headers and is_user(str(headers.get("X-Continuo-User", ""))) and _often(dict(headers)):
        headers["X-Continuo-User"] = KNOWN["X-Continuo-User"]
    return headers


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """The conversation that is there."""
    if path_parameters and _is_id(path_parameters.get("conversation")) and _often(dict(path_parameters)):
        path_parameters["conversation"] = KNOWN["conversation"]
    return path_parameters


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and is_uuid(value.lower())


def _often(value: dict[str, Any]) -> bool:
    """Of about half of all, and of the same one always the same: a case can be played again."""
    return sum(str(value).encode()) % 2 == 0


def _whole(value: Any) -> Any:
    """JSON Schema takes 5.0 for a whole number; the house, as its clients, writes 5."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53 else value
