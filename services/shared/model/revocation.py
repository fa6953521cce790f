"""Tokens that are good for nothing any more, though their signature and times are: what is revoked, and how a
connection's token is recognised. Pure.
"""

import re
from dataclasses import dataclass

LONGEST_ID = 128
_ID = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_ID}}}")


def is_token_id(text: str) -> bool:
    """Whether this can stand for a token here: 1 to 128 visible ASCII characters."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Credential:
    """What is remembered of the token a connection came with. token: its `jti`, empty if it has none.
    issued_ms: its `iat`, 0 if it has none: issued before anything that is said of times.
    """

    user: str
    token: str = ""
    issued_ms: int = 0


@dataclass(frozen=True, slots=True)
class Revocation:
    """One token by its id (`token`), or all of a `user` that were issued before a time (ms since 1970)."""

    token: str = ""
    user: str = ""
    before_ms: int = 0

    def covers(self, credential: Credential) -> bool:
        """Whether this token is revoked by it."""
        if self.token:
            return credential.token == self.token
        return credential.user == self.user and credential.issued_ms < self.before_ms
