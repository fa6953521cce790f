"""The `continuo` command: finds the word typed and runs its module.

Each command is a module with `arguments(parser)` and `run(namespace) -> exit code`. A library that is missing
is named in one line, whichever command wanted it.
"""

import argparse
import importlib
from collections.abc import Sequence

COMMANDS = {
    "up": ("services.local.up", "start everything on this machine"),
    "chat": ("services.local.chat", "talk in conversations from this terminal"),
    "demo": ("services.local.demo", "show consistency, resume and several devices on fresh services"),
    "token": ("services.local.tokens", "make a connection token for a user"),
    "dead-letters": ("services.local.dead_letters", "look at turns that failed, and queue them anew"),
    "failover": ("services.local.failover", "move the Redis master to a replica, losing nothing"),
    "doctor": ("services.local.doctor", "check the Redis in use and say what is wrong with it"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0 well, 1 failed, 2 typed wrongly."""
    try:
        parser = _parser()
    except ModuleNotFoundError as missing:
        print(f"continuo: the library {missing.name} is missing: install continuo-server[local]")
        return 1
    given = parser.parse_args(argv)
    try:
        return int(given.run(given))
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="continuo", description="Shared conversations with agents, on one machine."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for word, (module, meaning) in COMMANDS.items():
        # Importing here, not above, is what lets a missing library be named in one line.
        command = importlib.import_module(module)
        one = commands.add_parser(word, help=meaning, description=meaning)
        command.arguments(one)
        one.set_defaults(run=command.run)
    return parser
