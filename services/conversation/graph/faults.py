"""What an exception out of a graph means for trying again; the only place that looks at their types.

LangChain gives the failures of all providers common types by what they mean; everything else an agent's
code raises is the agent's own. The detail is a type name or a status, never the exception's text: that may
quote the conversation.
"""

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
from services.shared.model.errors import Temporary, UnreadableCheckpoint

_KINDS: tuple[tuple[tuple[type[Exception], ...], FaultKind], ...] = (
    ((ModelRateLimitError,), FaultKind.BUSY),
    ((ModelAPIError, ModelConnectionError, ModelTimeoutError), FaultKind.UNREACHABLE),
    ((ModelError,), FaultKind.REFUSED),
    ((Temporary,), FaultKind.STORE),
    ((ConnectionError, TimeoutError), FaultKind.UNREACHABLE),
)


_SPEAKING = (UnreadableCheckpoint, UnfitValue, NotStorableError)
"""Ours, whose texts name a checkpoint, a type or a place and quote nothing."""


def classify(error: Exception) -> Fault:
    """Tell what kind of fault an exception is."""
    for types, kind in _KINDS:
        if isinstance(error, types):
            return Fault(kind, _detail(error))
    return Fault(FaultKind.BROKEN, str(error) if isinstance(error, _SPEAKING) else type(error).__name__)


def _detail(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    return f"status {status}" if isinstance(status, int) else type(error).__name__
