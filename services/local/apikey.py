"""`continuo apikey`: a key of the API for a back end, and the line that lets it in.

Called by the command line. The key is told once, to whoever sits there, and kept nowhere; the line, which
has its digest only, is all that is written to standard output: `continuo apikey billing >> keys`.
"""

import argparse
import hashlib
import secrets
import sys

from services.shared.model.ids import is_key_name

COMMAND = "apikey"
ENTROPY_BYTES = 32


def made(name: str) -> tuple[str, str]:
    """A new key, and its line for the file of keys."""
    key = secrets.token_urlsafe(ENTROPY_BYTES)
    return key, line(name, key)


def line(name: str, key: str) -> str:
    """The line of a key for the file of keys."""
    return f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", type=_name, help="whose it is: the audit log calls it `service:<name>`")


def run(given: argparse.Namespace) -> int:
    key, told = made(given.name)
    print(f"The key of {given.name}, for the back end; it is shown this once: {key}", file=sys.stderr)
    print("Its line, for the file that CONTINUO_API_KEYS_FILE names:", file=sys.stderr, flush=True)
    print(told)
    return 0


def _name(given: str) -> str:
    if not is_key_name(given):
        raise argparse.ArgumentTypeError(f"{given!r} is no name: 1 to 32 of letters, digits, _ -")
    return given
