"""`continuo token`: a connection token for a user, signed with the secret of this machine's folder.

Called by the command line, and by `up`, `chat` and the demonstrations for their own users. Must never print
the secret.
"""

import argparse
import os
import time

import jwt

from services.local.ending import LocalError, ending_in_a_line
from services.local.home import Home
from services.shared.model.ids import is_user

DAY_S = 86_400


def issue(secret: str, user: str, now_s: int, ttl_s: int = DAY_S) -> str:
    """A token that lets `user` connect until `ttl_s` seconds from `now_s` (seconds since 1970)."""
    claims = {"sub": user, "iat": now_s, "exp": now_s + ttl_s}
    return jwt.encode(claims, secret, algorithm="HS256")


def issue_now(secret: str, user: str, ttl_s: int = DAY_S) -> str:
    """As `issue`, from this moment on."""
    return issue(secret, user, int(time.time()), ttl_s)  # noqa: TID251 - a command's own clock


def user_of(token: str) -> str:
    """Whom a token is for, unjudged: a server does that. Raises LocalError when it names no user."""
    try:
        user = jwt.decode(token, options={"verify_signature": False}).get("sub")
    except jwt.InvalidTokenError:
        user = None
    if not isinstance(user, str) or not is_user(user):
        raise LocalError("the token given names no user")
    return user


def user_name(text: str) -> str:
    """An argument that names a user. Raises ArgumentTypeError when it can't."""
    if not is_user(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no user: 1 to 64 of letters, digits, _ . @ -")
    return text


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", required=True, type=user_name, help="who connects with it")
    parser.add_argument("--ttl", type=int, default=DAY_S, metavar="SECONDS", help="how long it is valid")


def run(given: argparse.Namespace) -> int:
    return ending_in_a_line("token", _made(given))


async def _made(given: argparse.Namespace) -> int:
    secret = Home.of(os.environ).known_secret(os.environ)
    print(issue_now(secret, given.user, given.ttl))
    return 0
