"""What a request is told that was not done: problem details (RFC 9457), with the code devices are told.

Raised by the modules of this package, and made of the errors of what was asked for. Must never quote what a
stranger may not know: a sentence of an error is told where devices are told it, too.
"""

import re

import msgspec

from services.shared.model.errors import ContinuoError
from services.shared.wire import codes
from services.shared.wire.codes import Fault

MEDIA_TYPE = "application/problem+json"
AGAIN_S = 1
"""What `Retry-After` says."""

STATUSES = {
    codes.INTERNAL: 503,
    codes.UNAUTHORIZED: 401,
    codes.UNKNOWN_CHANNEL: 404,
    codes.PERMISSION_DENIED: 403,
    codes.METHOD_NOT_FOUND: 404,
    codes.BAD_REQUEST: 400,
    codes.TOO_MANY_REQUESTS: 429,
    codes.REFUSED: 403,
    codes.CONFLICT: 409,
    codes.OUTSIDE_WINDOW: 410,
    codes.ANSWERED: 409,
    codes.NOT_ASKED: 404,
    codes.TOO_FAR_BACK: 409,
    codes.BUSY: 423,
}
"""Which status says each error."""

_PLACE = re.compile(r"\$\.?([^`]*)`$")
_MISSING = re.compile(r"missing required field `([^`]+)`")
_FIRST = re.compile(r"[a-z_]+")


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was not done, and why."""

    type: str
    title: str
    status: int
    detail: str
    code: int
    temporary: bool
    field: str = ""


class ProblemError(Exception):
    """A request is answered with a problem. headers: more of the answer's. ends: the connection, too."""

    def __init__(
        self,
        fault: Fault,
        detail: str,
        *,
        status: int = 0,
        field: str = "",
        temporary: bool | None = None,
        headers: dict[str, str] | None = None,
        ends: bool = False,
    ) -> None:
        """status: where it is not that of the fault."""
        super().__init__(detail)
        again = fault.temporary if temporary is None else temporary
        self.problem = Problem(
            type=f"urn:continuo:error:{fault.code}",
            title=fault.message,
            status=status or STATUSES[fault],
            detail=detail,
            code=fault.code,
            temporary=again,
            field=field,
        )
        self.headers = {**({"retry-after": str(AGAIN_S)} if again else {}), **(headers or {})}
        self.ends = ends


def of_error(error: ContinuoError, arguments: type[msgspec.Struct]) -> ProblemError:
    """What is told of an expected failure; arguments: those that were given, which it may name."""
    fault, said = codes.kind_of(error), codes.sentence_of(error)
    field = field_of(said, arguments) if fault is codes.BAD_REQUEST else ""
    return ProblemError(fault, said or codes.FAULTS[fault], field=field)


def broken() -> ProblemError:
    """A fault of ours: a repeat fails again, so nobody is told to try."""
    return ProblemError(codes.INTERNAL, "a fault of the server; its log has it", status=500, temporary=False)


def late() -> ProblemError:
    """It may or may not have been done."""
    return ProblemError(codes.INTERNAL, codes.FAULTS[codes.INTERNAL])


def field_of(said: str, arguments: type[msgspec.Struct]) -> str:
    """Which argument a sentence is about: where its decoder says so, or as its first word; else empty."""
    place, missing = _PLACE.search(said), _MISSING.search(said)
    if missing:
        above = place[1] if place else ""
        return f"{above}.{missing[1]}" if above else missing[1]
    if place:
        return place[1]
    first = _FIRST.match(said)
    return first[0] if first and first[0] in arguments.__struct_fields__ else ""
