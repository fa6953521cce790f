"""The document that describes the API, OpenAPI 3.1, made from the table of operations and its types.

Made once by served.py and served as it is. Nothing is written here that the table says.
"""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from services.connection.api.beside import Revoke
from services.connection.api.operations import Nothing, Operation
from services.connection.api.problems import MEDIA_TYPE, STATUSES, Problem
from services.connection.api.requests import USER_HEADER
from services.shared.wire import codes

_SCHEMA = "#/components/schemas/"
_ALWAYS: Mapping[int, str] = {
    401: "there is no key, or none of these",
    405: "the route takes another method",
    408: "the body was not whole in time",
    500: "a fault of the server",
    503: codes.FAULTS[codes.INTERNAL],
}
_OF_BODIES: Mapping[int, str] = {
    400: codes.FAULTS[codes.BAD_REQUEST],
    413: "the body is too large",
    415: "the body is of another type than JSON",
}
_AGAIN = (429, 503)
_RULES: Mapping[str, Mapping[str, Any]] = {
    Revoke.__name__: {
        "oneOf": [{"required": ["jti"]}, {"required": ["user"]}],
        "dependentRequired": {"until": ["jti"], "issued_before": ["user"]},
    }
}
"""What types cannot say of each other's fields."""


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """The whole document."""
    known = list(operations)
    results, schemas = _schemas([each.result for each in known])
    bodies, more = _schemas([each.arguments for each in known])
    [problem], problems = _schemas([Problem])
    schemas |= more | problems
    paths: dict[str, Any] = {}
    for operation, result, body in zip(known, results, bodies, strict=True):
        paths.setdefault(operation.path, {})[operation.verb.lower()] = _operation(
            operation, result, body, problem
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Continuo", "version": version, "description": _ABOUT},
        "paths": paths,
        "security": [{"key": []}],
        "components": {
            "schemas": {name: {**_ecma(schema), **_RULES.get(name, {})} for name, schema in schemas.items()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


_ABOUT = (
    "What devices can ask for over WebSocket, for back ends: one route for each RPC, and what is a service's"
    f" alone. {USER_HEADER} names the user that is acted as; without it, the service itself acts. Errors are"
    " problem details (RFC 9457) with the code that devices get."
)


def _operation(operation: Operation, result: Any, body: Any, problem: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.name,
        "description": operation.meaning,
        "parameters": [*_places(operation), *_header(operation)],
        "responses": _responses(operation, result, problem),
    }
    if operation.verb == "POST":
        told["requestBody"] = {
            "required": any(each.required for each in msgspec.structs.fields(operation.arguments)),
            "content": {"application/json": {"schema": body}},
        }
    if operation.open:
        told["security"] = []
    return told


def _places(operation: Operation) -> list[dict[str, Any]]:
    if operation.place is Nothing:
        return []
    _, components = _schemas([operation.place])
    schema = _ecma(components[operation.place.__name__])
    return [
        {"name": name, "in": "path", "required": True, "schema": each}
        for name, each in schema["properties"].items()
    ]


def _header(operation: Operation) -> list[dict[str, Any]]:
    if operation.open or operation.alone:
        return []
    schema = {"type": "string", "pattern": "^[A-Za-z0-9_.@-]{1,64}$"}
    return [{"name": USER_HEADER, "in": "header", "required": False, "schema": schema}]


def _responses(operation: Operation, result: Any, problem: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "200": {"description": "Done.", "content": {"application/json": {"schema": result}}}
    }
    if operation.open:
        return told
    reasons: dict[int, list[str]] = {status: [text] for status, text in _ALWAYS.items()}
    if operation.verb == "POST":
        reasons |= {status: [text] for status, text in _OF_BODIES.items()}
    elif operation.place is not Nothing or not operation.alone:
        reasons[400] = [codes.FAULTS[codes.BAD_REQUEST]]
    for fault in operation.faults:
        reasons.setdefault(STATUSES[fault], []).append(f"{fault.code}: {codes.FAULTS[fault]}")
    for status in sorted(reasons):
        told[str(status)] = _problem(status, reasons[status], problem)
    return told


def _problem(status: int, reasons: list[str], problem: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "description": f"{HTTPStatus(status).phrase}: {'; '.join(reasons)}",
        "content": {MEDIA_TYPE: {"schema": problem}},
    }
    if status in _AGAIN:
        schema = {"type": "integer", "minimum": 0}
        told["headers"] = {"Retry-After": {"description": "Seconds.", "schema": schema}}
    return told


def _schemas(kinds: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    references, components = msgspec.json.schema_components(kinds, ref_template=_SCHEMA + "{name}")
    return list(references), dict(components)


_END = re.compile(r"\\Z")


def _ecma(schema: Any) -> Any:
    """Patterns as JSON Schema has them: there `$` is the end and nothing else, and there is no `\\Z`."""
    if isinstance(schema, dict):
        return {
            key: _END.sub("$", value) if key == "pattern" and isinstance(value, str) else _ecma(value)
            for key, value in schema.items()
        }
    return [_ecma(each) for each in schema] if isinstance(schema, list) else schema
