"""The `continuo` command: finds the word typed and runs its module.

Each command is a module with `arguments(parser)` and `run(namespace) -> exit code`. Only the module of the
word typed is imported, so a command needs the libraries it uses and no other's; one that is missing is named
in one line.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "up": ("services.local.up", "start everything on this machine"),
    "chat": ("services.local.chat", "talk in conversations from this terminal"),
    "demo": ("services.local.demo", "show consistency, resume and several devices on fresh services"),
    "token": ("services.local.tokens", "make a connection token for a user"),
    "apikey": ("services.local.apikey", "make a key of the API for a back end"),
    "probe": (
        "services.local.roundtrip",
        "talk to a server, be cut off, resume; say whether it held",
    ),
    "trace": ("services.local.trace", "show what became of a message, as a tree with times"),
    "dead-letters": ("services.local.dead_letters", "look at turns that failed, and queue them anew"),
    "audit": ("services.local.audit", "who did what, and who was denied, as JSON lines"),
    "revoke": ("services.local.revoke", "have tokens taken no more, and end what they opened"),
    "disconnect": ("services.local.disconnect", "end all connections of a user"),
    "failover": ("services.local.failover", "move the Redis master to a replica, losing nothing"),
    "backup": ("services.local.backup", "copy all data of a replica into a file, checked"),
    "restored": ("services.local.restored", "make a Redis that a backup was loaded into fit for services"),
    "doctor": ("services.local.doctor", "check the Redis in use and say what is wrong with it"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0 well, 1 failed, 2 typed wrongly."""
    typed = list(sys.argv[1:] if argv is None else argv)
    try:
        given = parser_of(typed[0] if typed else "").parse_args(typed)
        return int(given.run(given))
    except ModuleNotFoundError as missing:
        print(f"continuo: the library {missing.name} is missing: install continuo-server[local]")
        return 1
    except KeyboardInterrupt:
        return 130


def parser_of(word: str) -> argparse.ArgumentParser:
    """The parser of all words, with the arguments of the one typed."""
    parser = argparse.ArgumentParser(
        prog="continuo", description="Shared conversations with agents, on one machine and elsewhere."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for each, (module, meaning) in COMMANDS.items():
        one = commands.add_parser(each, help=meaning, description=meaning)
        if each == word:
            # Importing here, not above, is what lets the other commands' libraries be missing.
            command = importlib.import_module(module)
            command.arguments(one)
            one.set_defaults(run=command.run)
    return parser
