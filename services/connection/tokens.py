"""Judges connection and subscription tokens (JWT), for the session's `VerifyToken`.

Signatures by PyJWT; the claims are read here, so that times come from our clock and every wrong claim is a
refusal, never an exception. A secret and public keys never stand in for each other: the algorithm decides
which one is asked.
"""

import base64
import binascii
from typing import Annotated, Any

import jwt
import msgspec

from services.connection.core.effects import TokenKind, VerifyToken
from services.connection.core.events import Claims, Refusal, TokenRefused, TokenVerified
from services.connection.jwks import Jwks, KeysUnavailableError
from services.shared.model.revocation import is_token_id
from services.shared.runtime.clock import Clock
from services.shared.runtime.settings import Secret

HMAC_ALGORITHMS = frozenset({"HS256", "HS384", "HS512"})
KEY_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"})
NOT_BEFORE_LEEWAY_S = 5.0
"""Clocks of issuer and server differ by so much; a token one second too young must not end a client for
good.
"""


_LONGEST_S = float((1 << 31) - 1)
"""What a client's timer can hold; an end later than that is as good as this."""


class TokenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may issue tokens."""

    token_hmac_secret: Annotated[
        Secret | None, msgspec.Meta(description="Secret of HS256/384/512 tokens; unset: none are taken.")
    ] = None
    token_hmac_previous_secret: Annotated[
        Secret | None, msgspec.Meta(description="Secret taken beside the first one while it is replaced.")
    ] = None
    token_jwks_url: Annotated[
        str, msgspec.Meta(description="Where the public keys of RS*, ES* and EdDSA tokens are; empty: none.")
    ] = ""
    token_audience: Annotated[str, msgspec.Meta(description="Required `aud`; empty: not looked at.")] = ""
    token_issuer: Annotated[str, msgspec.Meta(description="Required `iss`; empty: not looked at.")] = ""

    def __post_init__(self) -> None:
        """Refuse to run with no way to know anybody."""
        if not self.token_hmac_secret and not self.token_jwks_url:
            raise ValueError("set CONTINUO_TOKEN_HMAC_SECRET or CONTINUO_TOKEN_JWKS_URL to know clients by")


class _Payload(msgspec.Struct):
    """The claims this server reads; `meta` is taken and not used. `jti`: what it may be revoked by."""

    sub: str = ""
    jti: str = ""
    exp: float | None = None
    nbf: float | None = None
    iat: float | None = None
    aud: str | list[str] = ""
    iss: str = ""
    info: msgspec.Raw = msgspec.Raw(b"")
    b64info: str = ""
    channel: str = ""
    channels: list[str] = []
    expire_at: float | None = None


class _WrongError(Exception):
    """The token is not acceptable."""


class Tokens:
    """Judge of tokens; one for all connections of a process."""

    def __init__(self, settings: TokenSettings, clock: Clock, jwks: Jwks | None = None) -> None:
        """`jwks`: the issuer's public keys, made from the settings when not given."""
        self._settings = settings
        self._clock = clock
        self._jwks = jwks or (Jwks(settings.token_jwks_url, clock) if settings.token_jwks_url else None)
        self._jws = jwt.PyJWS()

    async def verify(self, asked: VerifyToken) -> TokenVerified | TokenRefused:
        """Judge a token; never raises for what it holds."""
        try:
            payload = msgspec.json.decode(await self._signed(asked.token), type=_Payload)
            return TokenVerified(asked.ref, self._claims(payload, asked.kind))
        except KeysUnavailableError:
            return TokenRefused(asked.ref, Refusal.UNVERIFIABLE)
        except _ExpiredError:
            return TokenRefused(asked.ref, Refusal.EXPIRED)
        except (_WrongError, jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return TokenRefused(asked.ref, Refusal.INVALID)

    async def _signed(self, token: str) -> bytes:
        """Return the payload of a token whose signature is right."""
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        for key in await self._keys(algorithm, header.get("kid", "")):
            try:
                return self._payload(token, key, str(algorithm))
            except jwt.InvalidSignatureError:
                continue
        raise _WrongError("no key of ours signed this")

    def _payload(self, token: str, key: Any, algorithm: str) -> bytes:
        payload: bytes = self._jws.decode_complete(token, key, algorithms=[algorithm])["payload"]
        return payload

    async def _keys(self, algorithm: object, kid: object) -> tuple[Any, ...]:
        if algorithm in HMAC_ALGORITHMS:
            return self._secrets()
        if algorithm not in KEY_ALGORITHMS or self._jwks is None or not isinstance(kid, str):
            raise _WrongError("an algorithm that is not taken")
        key = await self._jwks.key(kid)
        if key is None or key.public_key_use not in {None, "sig"}:
            raise _WrongError("a key the issuer does not have")
        return (key.key,)

    def _secrets(self) -> tuple[bytes, ...]:
        """As they are now: files of secrets may change, and one may come or go."""
        named = (self._settings.token_hmac_secret, self._settings.token_hmac_previous_secret)
        revealed = [secret.reveal().encode() for secret in named if secret is not None]
        return tuple(secret for secret in revealed if secret)

    def _claims(self, payload: _Payload, kind: TokenKind) -> Claims:
        now = self._clock.now_ms() / 1000
        if payload.nbf is not None and payload.nbf > now + NOT_BEFORE_LEEWAY_S:
            raise _WrongError("not valid yet")
        self._check_parties(payload)
        if payload.exp is not None and payload.exp <= now:
            raise _ExpiredError
        if kind is TokenKind.SUBSCRIPTION and not payload.channel:
            raise _WrongError("a subscription token names its channel")
        left, info = _left(payload, now), _info(payload)
        token = payload.jti if is_token_id(payload.jti) else ""
        channels, issued_ms = tuple(payload.channels), _issued_ms(payload)
        return Claims(payload.sub, left, payload.channel, info, channels, token, issued_ms)

    def _check_parties(self, payload: _Payload) -> None:
        audiences = [payload.aud] if isinstance(payload.aud, str) else payload.aud
        if self._settings.token_audience and self._settings.token_audience not in audiences:
            raise _WrongError("meant for somebody else")
        if self._settings.token_issuer and self._settings.token_issuer != payload.iss:
            raise _WrongError("issued by somebody else")


class _ExpiredError(Exception):
    """The token was good once."""


def _left(payload: _Payload, now: float) -> float | None:
    """Seconds until the connection or subscription ends: `expire_at` if given (0 = never), else `exp`."""
    end = payload.exp if payload.expire_at is None else payload.expire_at or None
    return None if end is None else min(end - now, _LONGEST_S)


def _issued_ms(payload: _Payload) -> int:
    """When it was issued; 0, before all revocations, where it does not say so or says no time there is."""
    issued_s = payload.iat or 0.0
    return int(issued_s * 1000) if 0 < issued_s < _LONGEST_S * 10 else 0


def _info(payload: _Payload) -> bytes:
    """The JSON to show with this user, on one line; `b64info` is for issuers that cannot embed it."""
    raw = bytes(payload.info)
    try:
        raw = base64.b64decode(payload.b64info, validate=True) if payload.b64info else raw
    except binascii.Error as error:
        raise _WrongError("b64info is not base64") from error
    return msgspec.json.encode(msgspec.json.decode(raw)) if raw else b""
