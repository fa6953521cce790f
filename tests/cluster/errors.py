"""What the API says no with: an HTTP status, a reason, a sentence."""

from typing import Any


class ApiError(Exception):
    """One refusal. `status` is the HTTP status; `reason` the word that clients of Kubernetes look at."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message

    def body(self) -> dict[str, Any]:
        """The Status object on the wire."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.status,
        }


def not_found(what: str) -> ApiError:
    return ApiError(404, "NotFound", f"{what} not found")


def conflict(message: str) -> ApiError:
    return ApiError(409, "Conflict", message)


def exists(what: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f"{what} already exists")


def invalid(message: str) -> ApiError:
    return ApiError(422, "Invalid", message)


def gone(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def too_many(message: str) -> ApiError:
    return ApiError(429, "TooManyRequests", message)
