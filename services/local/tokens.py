"""`continuo token`: a connection token for a user, signed with the secret of this machine's folder.

Called by the command line, and by `up`, `chat` and the demonstrations for their own users. Must never print
the secret.
"""

import argparse
import os
import time

import jwt

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


def user_name(text: str) -> str:
    """An argument that names a user. Raises ArgumentTypeError when it can't."""
    if not is_user(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no user: 1 to 64 of letters, digits, _ . @ -")
    return text


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", required=True, type=user_name, help="who connects with it")
    parser.add_argument("--ttl", type=int, default=DAY_S, metavar="SECONDS", help="how long it is valid")


def run(given: argparse.Namespace) -> int:
    home = Home.of(os.environ)
    print(issue_now(home.secret(os.environ), given.user, given.ttl))
    return 0
