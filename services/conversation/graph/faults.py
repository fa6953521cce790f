"""What an exception out of a graph means for trying again; the only place that looks at their types.

LangChain gives most failures of providers common types by what they mean. What else a call of a model raised
is told by its client's types; everything else is the agent's own, also where a connection of its own breaks:
trying that again is for its own policies. The detail is a type's name, a status or a provider's code, never
the exception's text: that may quote the conversation.
"""

import re

from langchain_core.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelError,
    ModelRateLimitError,
    ModelTimeoutError,
)

from services.conversation.core.retry import Fault, FaultKind
from services.conversation.graph.memory import NotStorableError
from services.conversation.graph.serde import UnfitValue
from services.conversation.graph.whole_answers import BrokenOffError, IncompleteCallError
from services.shared.model.errors import Temporary, UnreadableCheckpoint

_KINDS: tuple[tuple[tuple[type[Exception], ...], FaultKind], ...] = (
    ((IncompleteCallError,), FaultKind.INCOMPLETE),
    ((ModelRateLimitError,), FaultKind.BUSY),
    ((ModelAPIError, ModelConnectionError, ModelTimeoutError), FaultKind.UNREACHABLE),
    ((ModelError,), FaultKind.REFUSED),
    ((Temporary,), FaultKind.STORE),
)


_SPEAKING = (UnreadableCheckpoint, UnfitValue, NotStorableError, BrokenOffError, IncompleteCallError)
"""Ours, whose texts name a checkpoint, a type or a place and quote nothing."""

_CLIENTS = ("openai", "anthropic")
"""Of models' providers; both name their errors alike."""
_TRANSPORTS = {
    ("httpx", "TransportError"),
    ("httpx2", "TransportError"),
    ("aiohttp", "ClientConnectionError"),
}
_PATIENCE = (429, 529)
_CODE = re.compile("[A-Za-z0-9_.-]{1,64}")


def classify(error: Exception, of_model: bool = False) -> Fault:
    """Tell what kind of fault an exception is. of_model: a call of a model failed with it."""
    for types, kind in _KINDS:
        if isinstance(error, types):
            return Fault(kind, _detail(error))
    if told := _of_client(error, _names(error), of_model):
        return Fault(told, _detail(error))
    return Fault(FaultKind.BROKEN, str(error) if isinstance(error, _SPEAKING) else type(error).__name__)


def _of_client(error: Exception, names: set[tuple[str, str]], of_model: bool) -> FaultKind | None:
    if any((client, "APIConnectionError") in names for client in _CLIENTS):
        return FaultKind.UNREACHABLE
    if not of_model:
        return None
    if status := _status(error):
        return _by_status(status)
    if isinstance(error, ConnectionError | TimeoutError) or names & _TRANSPORTS:
        return FaultKind.UNREACHABLE
    if any((client, "APIError") in names for client in _CLIENTS):  # amid a stream: it began with status 200
        return _by_code(_code(error))
    return None


def _by_status(status: int) -> FaultKind | None:
    if status in _PATIENCE:
        return FaultKind.BUSY
    if status == 408 or status >= 500:
        return FaultKind.UNREACHABLE
    return FaultKind.REFUSED if status >= 400 else None


def _by_code(code: str) -> FaultKind:
    if "overload" in code or "rate_limit" in code or code in map(str, _PATIENCE):
        return FaultKind.BUSY
    return FaultKind.REFUSED if "invalid" in code else FaultKind.UNREACHABLE


def _names(error: Exception) -> set[tuple[str, str]]:
    """The types an exception is of, by package and name: their packages may not be here at all."""
    return {(each.__module__.partition(".")[0], each.__name__) for each in type(error).__mro__}


def _detail(error: Exception) -> str:
    if isinstance(error, _SPEAKING):
        return str(error)
    if status := _status(error):
        return f"status {status}"
    return " ".join([type(error).__name__, _code(error)]).strip()


def _status(error: Exception) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _code(error: Exception) -> str:
    """A provider's word for what is wrong, where it is a word."""
    said = (str(getattr(error, name, None) or "") for name in ("code", "type"))
    return next((each for each in said if _CODE.fullmatch(each)), "")
