"""`continuo dead-letters`: the turns that failed, and what to do about them.

Called by the command line. It looks at the Redis of CONTINUO_REDIS_SENTINELS, else at the one `continuo up`
started here. Must never show what people said unless it was asked for.
"""

import argparse
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime

from services.local.ending import LocalError, ending_in_a_line
from services.local.reached import reached_bus, redis_environment, unanswered
from services.shared.bus.dead_letters import LIMIT, DeadLetters
from services.shared.bus.settings import RedisSettings
from services.shared.model.dead_letter import DeadLetter
from services.shared.model.errors import BusUnavailable, ContinuoError
from services.shared.model.ids import is_uuid
from services.shared.runtime import logging
from services.shared.runtime.settings import SettingsError, load

COMMAND = "dead-letters"
Verb = Callable[[DeadLetters, argparse.Namespace], Awaitable[int]]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sentinels", metavar="HOST:PORT,...", help="look at this Redis instead")
    verbs = parser.add_subparsers(required=True, metavar="verb")
    listing = _verb(verbs, "list", _list, "the newest first, those not yet replayed")
    listing.add_argument("--conversation", metavar="ID", type=_conversation, help="of this conversation only")
    listing.add_argument("--all", action="store_true", help="also those that were replayed")
    listing.add_argument("--limit", type=_limit, default=LIMIT, help=f"at most so many; {LIMIT} if not given")
    listing.add_argument("--json", action="store_true", help="a JSON object on each line")
    showing = _verb(verbs, "show", _show, "all that is known of one, as JSON")
    showing.add_argument("--text", action="store_true", help="with what people said")
    replaying = _verb(verbs, "replay", _replay, "queue a new turn for the same messages")
    discarding = _verb(verbs, "discard", _discard, "forget one")
    for one in (showing, replaying, discarding):
        one.add_argument("turn", help="the id of the turn that failed")


def _conversation(given: str) -> str:
    if not is_uuid(given):
        raise argparse.ArgumentTypeError(f"{given!r} is not a conversation id; a UUID in lower case is")
    return given


def _limit(given: str) -> int:
    if not given.isdecimal() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"{given!r} is no number of letters; it must be 1 or more")
    return int(given)


def run(given: argparse.Namespace) -> int:
    logging.configure(COMMAND, level="error")  # what the bus has to tell must not stand between the letters
    return ending_in_a_line(COMMAND, _carried_out(given))


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", word: str, does: Verb, meaning: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(word, help=meaning, description=meaning)
    parser.set_defaults(verb=does)
    return parser


async def _carried_out(given: argparse.Namespace) -> int:
    try:
        settings = load(RedisSettings, redis_environment(given.sentinels, os.environ))
        async with reached_bus(settings, COMMAND) as bus:
            verb: Verb = given.verb
            return await verb(bus.dead_letters, given)
    except BusUnavailable as error:
        raise unanswered(error, given.sentinels, os.environ) from error
    except (SettingsError, ContinuoError) as error:
        raise LocalError(str(error)) from error


async def _list(letters: DeadLetters, given: argparse.Namespace) -> int:
    found = await letters.list(given.conversation, replayed=given.all, limit=given.limit)
    for letter in found:
        print(json.dumps(asdict(letter)) if given.json else _lines(letter))
    if not found and not given.json:
        print("no dead letters")
    return 0


async def _show(letters: DeadLetters, given: argparse.Namespace) -> int:
    letter = await _found(letters, given.turn)
    shown = {**asdict(letter), "queued": _when(letter.queued_ms), "finished": _when(letter.finished_ms)}
    if given.text:
        said = await letters.messages(letter)
        shown["said"] = [
            {"message": each.id, "by": each.user or each.agent, "text": each.text} for each in said
        ]
    print(json.dumps(shown, indent=2, ensure_ascii=False))
    return 0


async def _replay(letters: DeadLetters, given: argparse.Namespace) -> int:
    replayed = await letters.replay(await _found(letters, given.turn))
    print(f"{'was replayed before' if replayed.repeated else 'replayed'} as turn {replayed.turn}")
    return 0


async def _discard(letters: DeadLetters, given: argparse.Namespace) -> int:
    await letters.discard(await _found(letters, given.turn))
    print(f"discarded turn {given.turn}")
    return 0


async def _found(letters: DeadLetters, turn: str) -> DeadLetter:
    letter = await letters.find(turn)
    if letter is None:
        raise LocalError(f"there is no dead letter of a turn {turn}")
    return letter


def _lines(letter: DeadLetter) -> str:
    tried = f"{letter.attempts} attempt{'s' if letter.attempts != 1 else ''}"
    again = f"\n    replayed as turn {letter.replayed}" if letter.replayed else ""
    return (
        f"{letter.turn}  {_when(letter.finished_ms)}  {letter.kind}  {tried}\n"
        f"    conversation {letter.conversation}, agent {letter.agent}: {letter.reason}{again}"
    )


def _when(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="seconds")
