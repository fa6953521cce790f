"""Public keys of a token issuer, from its JWKS address: cached, fetched by one at a time, within a bounded
wait.

Called by tokens.py. A key that is not known makes it fetch again, but not more often than `AGAIN_S`, so that
tokens with made-up key names cannot make this server hammer the issuer. While the issuer is down, keys once
seen stay good.
"""

import asyncio
import urllib.request
from collections.abc import Callable
from typing import Any

import jwt

from services.shared.runtime.clock import Clock

KEEP_S = 3600.0
"""How long a fetched set is taken as current."""
AGAIN_S = 10.0
"""Shortest time between two fetches."""
TIMEOUT_S = 1.0
"""Of one request. With one retry it stays under the 4 s in which a connect is answered."""
_LARGEST_SET = 1 << 20


class KeysUnavailableError(Exception):
    """The issuer did not answer, so it is unknown whether it has this key."""


def fetch_url(url: str) -> bytes:
    """Read the key set; raises OSError. Runs in a thread."""
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - operator's address
        return bytes(answer.read(_LARGEST_SET))


class Jwks:
    """The keys behind one address."""

    def __init__(self, url: str, clock: Clock, fetch: Callable[[str], bytes] = fetch_url) -> None:
        """Nothing is fetched before the first key is asked for."""
        self._url = url
        self._clock = clock
        self._fetch = fetch
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._failed = False
        self._one_at_a_time = asyncio.Lock()

    async def key(self, kid: str) -> jwt.PyJWK | None:
        """Return the key of this name, None if the issuer has none; raise KeysUnavailableError if it is
        unknown.
        """
        if not self._is_known(kid):
            async with self._one_at_a_time:
                if not self._is_known(kid) and self._may_fetch():
                    await self._refresh()
        if kid not in self._keys and self._failed:
            raise KeysUnavailableError("the token issuer's keys could not be fetched")
        return self._keys.get(kid)

    def _is_known(self, kid: str) -> bool:
        fresh = self._fetched_at is not None and self._clock.monotonic() - self._fetched_at < KEEP_S
        return kid in self._keys and fresh

    def _may_fetch(self) -> bool:
        return self._tried_at is None or self._clock.monotonic() - self._tried_at >= AGAIN_S

    async def _refresh(self) -> None:
        self._tried_at = self._clock.monotonic()
        try:
            self._keys = await self._fetch_keys()
        except (OSError, ValueError, jwt.PyJWTError):
            self._failed = True
        else:
            self._failed = False
            self._fetched_at = self._clock.monotonic()

    async def _fetch_keys(self) -> dict[str, jwt.PyJWK]:
        try:
            body = await asyncio.to_thread(self._fetch, self._url)
        except OSError:
            body = await asyncio.to_thread(self._fetch, self._url)
        return _read(body)


def _read(body: bytes) -> dict[str, jwt.PyJWK]:
    keys: Any = jwt.PyJWKSet.from_json(body.decode()).keys
    return {key.key_id or "": key for key in keys}
