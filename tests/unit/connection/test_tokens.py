"""Tokens: who is let in, who is told to renew, who is turned away."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from services.connection.core.effects import TokenKind, VerifyToken
from services.connection.core.events import Claims, Ref, Refusal, TokenRefused, TokenVerified
from services.connection.jwks import AGAIN_S, KEEP_S, Jwks
from services.connection.tokens import Tokens, TokenSettings
from services.shared.runtime.clock import FakeClock
from services.shared.runtime.settings import Secret, SettingsError, load

SECRET = "a secret that is long enough for every HMAC there is, so 64 bytes or more"
NOW = 1_700_000_000
URL = "http://127.0.0.1:1/keys"


def settings(**more: Any) -> TokenSettings:
    return TokenSettings(**{"token_hmac_secret": Secret(SECRET), **more})


async def judge(tokens: Tokens, token: str, kind: TokenKind = TokenKind.CONNECTION) -> Claims | Refusal:
    verdict = await tokens.verify(VerifyToken(Ref(7), kind, token))
    assert verdict.ref == 7
    return verdict.claims if isinstance(verdict, TokenVerified) else verdict.why


def signed(claims: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", **header: str) -> str:
    return jwt.encode(claims, key, algorithm, headers=header)


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(settings(), FakeClock(NOW * 1000))


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_a_token_of_the_secret_says_who_it_is(tokens: Tokens, algorithm: str) -> None:
    token = signed({"sub": "ann", "exp": NOW + 60, "info": {"name": "Ann"}}, algorithm=algorithm)
    assert await judge(tokens, token) == Claims("ann", 60.0, info=b'{"name":"Ann"}')


async def test_a_token_without_an_end_lasts_for_ever(tokens: Tokens) -> None:
    assert await judge(tokens, signed({"sub": "ann"})) == Claims("ann", None)


async def test_expire_at_ends_the_connection_whatever_exp_says(tokens: Tokens) -> None:
    assert await judge(tokens, signed({"sub": "ann", "exp": NOW + 60, "expire_at": 0})) == Claims("ann", None)
    assert await judge(tokens, signed({"sub": "ann", "exp": NOW + 60, "expire_at": NOW - 5})) == Claims(
        "ann", -5.0
    )


async def test_an_end_beyond_all_timers_is_cut(tokens: Tokens) -> None:
    claims = await judge(tokens, signed({"sub": "ann", "exp": 10**300}))
    assert isinstance(claims, Claims)
    assert claims.expires_in_s == (1 << 31) - 1


async def test_an_expired_token_is_told_apart_from_an_invalid_one(tokens: Tokens) -> None:
    assert await judge(tokens, signed({"sub": "ann", "exp": NOW})) is Refusal.EXPIRED
    assert await judge(tokens, signed({"sub": "ann", "exp": NOW}, key="x" * 64)) is Refusal.INVALID


async def test_a_token_from_a_clock_slightly_ahead_is_good(tokens: Tokens) -> None:
    assert isinstance(await judge(tokens, signed({"sub": "ann", "nbf": NOW + 3})), Claims)
    assert await judge(tokens, signed({"sub": "ann", "nbf": NOW + 60})) is Refusal.INVALID


async def test_server_side_channels_and_the_subscriptions_channel_are_read(tokens: Tokens) -> None:
    claims = await judge(tokens, signed({"sub": "ann", "channels": ["#ann"]}))
    assert claims == Claims("ann", channels=("#ann",))
    claims = await judge(tokens, signed({"sub": "ann", "channel": "#ann"}), TokenKind.SUBSCRIPTION)
    assert claims == Claims("ann", channel="#ann")


async def test_a_subscription_token_without_a_channel_is_none(tokens: Tokens) -> None:
    assert await judge(tokens, signed({"sub": "ann"}), TokenKind.SUBSCRIPTION) is Refusal.INVALID


async def test_info_may_come_in_base64_and_must_be_json(tokens: Tokens) -> None:
    async def info(raw: bytes) -> Claims | Refusal:
        return await judge(tokens, signed({"sub": "ann", "b64info": base64.b64encode(raw).decode()}))

    assert await info(b'{"a":\n1}') == Claims("ann", info=b'{"a":1}')
    assert await info(b"{") is Refusal.INVALID
    assert await judge(tokens, signed({"sub": "ann", "b64info": "?"})) is Refusal.INVALID


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "....",
        "\x00",
        "é.é.é",
        signed({"sub": 7}),
        signed({"sub": "ann", "exp": "soon"}),
        signed({"sub": "ann", "channels": "all"}),
        jwt.encode({"sub": "ann"}, None, "none"),  # type: ignore[arg-type]
        signed({"sub": "ann"}) + "x",
        jwt.api_jws.encode(b"[1]", SECRET, "HS256"),
        jwt.api_jws.encode(b"[" * 50_000, SECRET, "HS256"),
        jwt.api_jws.encode(b'{"sub":"\xff"}', SECRET, "HS256"),
    ],
)
async def test_whatever_else_comes_is_invalid(tokens: Tokens, token: str) -> None:
    assert await judge(tokens, token) is Refusal.INVALID


async def test_audience_and_issuer_must_be_ours_when_set() -> None:
    tokens = Tokens(settings(token_audience="chat", token_issuer="us"), FakeClock(NOW * 1000))
    assert isinstance(await judge(tokens, signed({"sub": "ann", "aud": ["x", "chat"], "iss": "us"})), Claims)
    assert await judge(tokens, signed({"sub": "ann", "aud": "x", "iss": "us"})) is Refusal.INVALID
    assert await judge(tokens, signed({"sub": "ann", "aud": "chat", "iss": "them"})) is Refusal.INVALID
    assert await judge(tokens, signed({"sub": "ann"})) is Refusal.INVALID


async def test_the_previous_secret_is_taken_while_it_is_replaced() -> None:
    old = "the secret of last month, also long enough for every HMAC there is, so 64 bytes"
    tokens = Tokens(settings(token_hmac_previous_secret=Secret(old)), FakeClock(NOW * 1000))
    assert isinstance(await judge(tokens, signed({"sub": "ann"}, key=old)), Claims)


async def test_secrets_in_files_are_replaced_without_a_restart(tmp_path: Path) -> None:
    first, second = (letter * 64 for letter in "ab")
    now, before = tmp_path / "hmac", tmp_path / "hmac-previous"
    now.write_text(first)
    files = {
        "CONTINUO_TOKEN_HMAC_SECRET_FILE": str(now),
        "CONTINUO_TOKEN_HMAC_PREVIOUS_SECRET_FILE": str(before),
    }
    tokens = Tokens(load(TokenSettings, files), FakeClock(NOW * 1000))
    old, new = signed({"sub": "ann"}, key=first), signed({"sub": "ann"}, key=second)
    assert [isinstance(await judge(tokens, token), Claims) for token in (old, new)] == [True, False]
    before.write_text(first)
    now.write_text(second)
    assert [isinstance(await judge(tokens, token), Claims) for token in (old, new)] == [True, True]
    before.unlink()
    assert [isinstance(await judge(tokens, token), Claims) for token in (old, new)] == [False, True]


def test_an_empty_secret_signs_nothing(tmp_path: Path) -> None:
    (tmp_path / "hmac").write_text("\n")
    with pytest.raises(SettingsError, match="CONTINUO_TOKEN_HMAC_SECRET"):
        load(TokenSettings, {"CONTINUO_TOKEN_HMAC_SECRET_FILE": str(tmp_path / "hmac")})


def test_settings_without_any_way_to_know_clients_are_refused() -> None:
    with pytest.raises(SettingsError, match="CONTINUO_TOKEN_HMAC_SECRET"):
        load(TokenSettings, {})
    assert load(TokenSettings, {"CONTINUO_TOKEN_HMAC_SECRET": "s"}).token_hmac_secret == Secret("s")


class Issuer:
    """A key server: what it serves, how often it was asked, whether it is down."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.down = False

    def fetch(self, url: str) -> bytes:
        assert url == URL
        self.asked += 1
        if self.down:
            raise TimeoutError("the issuer is down")
        return json.dumps({"keys": self.keys}).encode()


RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def jwk(private: Any, algorithm: str, kid: str) -> dict[str, Any]:
    to_jwk: Callable[..., Any] = jwt.get_algorithm_by_name(algorithm).to_jwk
    return {**to_jwk(private.public_key(), as_dict=True), "kid": kid, "use": "sig"}


def with_issuer(issuer: Issuer) -> tuple[Tokens, FakeClock]:
    clock = FakeClock(NOW * 1000)
    jwks = Jwks(URL, clock, issuer.fetch)
    return Tokens(settings(token_jwks_url=URL), clock, jwks), clock


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (RSA, "RS512"), (EC, "ES256"), (ED, "EdDSA")])
async def test_a_token_of_the_issuers_key_is_good_and_the_key_is_kept(key: Any, algorithm: str) -> None:
    issuer = Issuer(jwk(key, algorithm, "k1"))
    tokens, _ = with_issuer(issuer)
    for _ in range(3):
        assert await judge(tokens, signed({"sub": "ann"}, key, algorithm, kid="k1")) == Claims("ann")
    assert issuer.asked == 1


async def test_a_public_key_is_no_secret_and_a_secret_no_public_key() -> None:
    issuer = Issuer(jwk(RSA, "RS256", "k1"), {"kty": "oct", "k": "YWJj" * 20, "kid": "k2", "alg": "HS256"})
    tokens, _ = with_issuer(issuer)
    assert await judge(tokens, signed({"sub": "ann"}, "abc" * 20, "HS256", kid="k2")) is Refusal.INVALID
    assert await judge(tokens, signed({"sub": "ann"}, EC, "ES256", kid="k1")) is Refusal.INVALID


async def test_made_up_key_names_do_not_hammer_the_issuer() -> None:
    issuer = Issuer(jwk(RSA, "RS256", "k1"))
    tokens, clock = with_issuer(issuer)
    for number in range(20):
        token = signed({"sub": "ann"}, RSA, "RS256", kid=f"x{number}")
        assert await judge(tokens, token) is Refusal.INVALID
    assert issuer.asked == 1
    issuer.keys.append(jwk(RSA, "RS256", "x1"))
    clock.advance(AGAIN_S)
    assert isinstance(await judge(tokens, signed({"sub": "ann"}, RSA, "RS256", kid="x1")), Claims)


async def test_an_issuer_that_is_down_is_asked_twice_and_nobody_is_called_invalid() -> None:
    issuer = Issuer(jwk(RSA, "RS256", "k1"))
    issuer.down = True
    tokens, clock = with_issuer(issuer)
    token = signed({"sub": "ann"}, RSA, "RS256", kid="k1")
    assert await judge(tokens, token) is Refusal.UNVERIFIABLE
    assert await judge(tokens, token) is Refusal.UNVERIFIABLE
    assert issuer.asked == 2
    issuer.down = False
    clock.advance(AGAIN_S)
    assert isinstance(await judge(tokens, token), Claims)


async def test_keys_once_seen_stay_good_while_the_issuer_is_down() -> None:
    issuer = Issuer(jwk(RSA, "RS256", "k1"))
    tokens, clock = with_issuer(issuer)
    token = signed({"sub": "ann"}, RSA, "RS256", kid="k1")
    assert isinstance(await judge(tokens, token), Claims)
    issuer.down = True
    clock.advance(KEEP_S)
    assert isinstance(await judge(tokens, token), Claims)


async def test_without_an_issuer_only_the_secret_counts(tokens: Tokens) -> None:
    assert await judge(tokens, signed({"sub": "ann"}, RSA, "RS256", kid="k1")) is Refusal.INVALID


def test_a_refusal_names_no_claims() -> None:
    assert "ann" not in repr(TokenRefused(Ref(1), Refusal.INVALID))
    assert msgspec.json.encode(Refusal.INVALID) == b'"invalid"'
