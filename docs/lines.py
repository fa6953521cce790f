"""Writes docs/lines.md: every line the services and the operator log at info and above, found in the source.

What a line means stands here, in MEANINGS; its level, who says it and which facts it has are read from the
code. Run it to write the page; with `--check` it fails when the page is not what the code says, when a line
has no meaning, and when a meaning has no line.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
PAGE = HERE / "lines.md"
ROOMS = {
    "services/shared": "any",
    "services/connection": "connection",
    "services/conversation": "conversation",
    "services/presence": "presence",
    "operator/continuo_operator": "operator",
}
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
IMPLIED = {"exception": ("error", "frames", "said")}
TELLERS = ("log", "_log()")

HEAD = """\
# Lines of the log

Found in the source by `make docs`; what they mean stands in [lines.py](lines.py). Which facts every line has,
and what no line ever says, is told in [seen from outside](observability.md#logs). At debug there are more.

| line | level | by | facts of its own | means |
|---|---|---|---|---|
"""

MEANINGS = {
    # processes
    "opened": "A part is open",
    "closed": "A part is closed, in the opposite order",
    "started": "All parts are open",
    "ready": "Who asks `/readyz` is told so from now on: new work may come",
    "not ready": "Who asks `/readyz` is told so from now on; `because`: the checks that failed",
    "listening": "Devices can connect",
    "admin listening": "The operator can look and order",
    "api listening": "Back ends can ask",
    "told to stop": "The end begins",
    "told to stop twice, hurrying": "It takes less time",
    "told to stop three times, ending at once": "Nothing is closed in order",
    "ended": "The process is over; `crash`: the task whose error ended it",
    "threads left behind": "The process ended without waiting: of a graph as a rule, plain functions run on",
    "setting refused": "The process cannot start so; `fault` says which setting and why",
    "process could not start or went down": "Its end, by an error",
    "task crashed": "A task ended by an error, and ends the process",
    "tasks outlived the deadline": "The end was not in order",
    "part outlived the deadline": "The end was not in order",
    "part did not close well": "The end was not in order",
    "exception unheard": "A task that nobody waited for, of a graph as a rule, failed",
    "thread crashed": "A thread, of a graph as a rule, failed",
    "exception not raised": "A finaliser failed",
    "python warned": "A library warns; `category` and `place`, never what it quotes",
    "a library spoke": "One that is given what people say; `place` is the line of its code that tells what",
    # Redis
    "redis away": "It did not answer, for longer than a command is tried again",
    "redis back": "It answers again",
    "redis lost everything": "Another, empty one answers under its name: all is set up anew",
    "master moved": "The Sentinels named another master: from where to where",
    "masters counted": "The number of servers that call themselves master changed",
    "live feed broke": "Nothing is heard of what is published, until it hears again; the journal brings it",
    "live feed hears again": "On a new connection, all channels confirmed",
    "live payload not understood": "One publication is ignored, the journal brings it",
    "control unreadable": "What is to stop (removed members, cancels) is not heard, until it is read again",
    "control read again": "It goes on where it stood",
    "control has a gap": "Entries are missing: memberships are checked",
    "control went back": "A new master knows less: what it has is read again",
    "relay paused": "What concerns other partitions waits in the outbox",
    "relay goes on": "It is carried",
    "relay met what it cannot read": "An entry of an outbox, or where it goes, is damaged",
    "relay reads again": "It is carried",
    "not carried": "One entry of an outbox stops no other, and is tried again",
    "carried at last": "That entry is through",
    "conversation not cleared away": "What a deleted conversation left cannot be read; tried again",
    "conversation cleared at last": "It is gone",
    # traces
    "tracing could not be opened and is off": "There are no traces; the process goes on",
    "another tracer provider is set, spans of graphs go there": "A graph has set its own",
    "traces left unsent": "The process ended before the collector took them",
    "traces not taken": "The collector refuses or does not answer; what overflows is counted",
    "traces taken again": "It takes them",
    # connections
    "connection opened": "A device got through its connect; who it is stands in the audit log",
    "connection closed": "It is over; `code` as in the protocol",
    "position not served": "A device came back with a position that is not kept any more: it was reset",
    "subscriptions ended": "A member was removed, or the conversation deleted: so many devices left it",
    "connections ended": "A token was revoked, or a user disconnected: so many connections ended here",
    "tokens not checked": "Word of revoked tokens may be missing, and Redis cannot be asked; tried again",
    "tokens checked at last": "All tokens served here were asked about",
    "channels moved": "They go on in another epoch: all that did within a second; `resets` from new",
    "conversation created": "By this connection",
    "conversation deleted": "By this connection",
    "conversation rewound": "By this connection: so many messages and turns are gone",
    "member added": "By this connection; who stands in the audit log",
    "member removed": "By this connection, or left",
    "member invited": "By this connection; who stands in the audit log",
    "invitation accepted": "By this connection: the user is a member",
    "invitation declined": "By this connection",
    "role changed": "By this connection; whose stands in the audit log",
    "drain moved": "The drain's state changed: serving, lame_duck, draining, emptied, gone",
    "cut": "The deadline came: those who were left were closed at once",
    "drains alone": "Redis gives no budget: the process goes by its own rate",
    "drains with the fleet again": "By the fleet's budget",
    "queue full": "No messages are taken that would queue turns, until there is room",
    "queue has room": "They are taken again",
    "backlog not seen": "How many turns wait is not known; the last number counts",
    "backlog seen again": "It is known",
    "backlog unreadable": "A partition's count is damaged",
    "backlog readable again": "It is mended",
    "deaf among neighbours that hear": "This process hears nothing, others do: it is not ready",
    "fit again": "It hears",
    "beats unreadable": "Whether neighbours hear is not known",
    "beats readable again": "It is known",
    "beat failed": "This process could not say that it lives",
    "beats again": "It is heard",
    "seats not written": "Who is present is not written yet",
    "seats written again": "It is",
    "seat given up": "One seat cannot be written: its record is damaged",
    "seats not all freed": "The end came first; presence frees them",
    "journal unreadable": "One conversation's devices get nothing new, until it is mended",
    "journal readable again": "They do",
    "top unreadable": "One journal cannot be compared",
    "top readable again": "It is",
    "memberships not checked": "After a gap in control: waits for Redis",
    "memberships checked at last": "It was answered",
    "errand failed": "A command was answered with error 100 by a fault of this side",
    "device failed": "A device was closed by a fault of this side, and comes back",
    "audit entries not written": "They wait in memory",
    "audit entries written again": "They are kept",
    "audit entries lost": "The process ended, or too many waited",
    "audit entries given up": "They cannot be written",
    "admin tokens unreadable": "Nobody is let in at the admin port",
    "admin tokens readable again": "The file is there again",
    "api keys unreadable": "No back end is let in",
    "api keys readable again": "The file is there again",
    "api keys malformed": "Lines of the file of keys are none: `lines` are their numbers; with `read_bytes`,"
    " only so much of it is read. The others hold",
    "api keys well formed again": "They are mended or gone",
    "request failed": "A back end's request failed by a fault of ours; it is told 500",
    # conversations
    "lease taken": "This worker answers in the conversation now; of the operator: this one acts now",
    "lease taken over": "The same, of a conversation whose worker fell silent",
    "lease let go": "Nothing waits in the conversation any more",
    "lease handed over": "Something waits, and another worker is to do it",
    "lease lost": "It is another's now: nothing is written any more",
    "leases not renewed": "Redis did not answer; the leases run out if that goes on",
    "leases renewed again": "They are held",
    "turn begun": "An attempt; `attempts`: how many it makes",
    "turn finished": "completed, cancelled, interrupted, or failed for a reason that people are told",
    "turn to be tried again": "The attempt failed; another begins after a pause",
    "thread brought back": "Of an agent, to before what was taken back; the log was back already",
    "thread not brought back": "It is damaged: it is forgotten whole, and the agent begins anew",
    "turn left": "To another worker: at a drain, or because the lease was lost",
    "attempt void, begun anew": "A failover took back the attempt and left the lease",
    "turn unreadable": "Its record makes no sense; it failed",
    "turn not rolled back": "Its thread cannot go back before it; it failed",
    "turns handed over": "The drain's deadline came: so many were stopped within a step",
    "message retracted": "What was said of it counts no more; `reason`: retry, lost",
    "execution failed": "Why an attempt failed: its kind, types and places",
    "graph does not stop": "It was cancelled and runs on, unable to write",
    "conversation left": "By an error of the store; another worker takes it over",
    "conversation failed": "By a fault of ours; another worker takes it over",
    "not written yet": "Redis does not take what the turn says or how it ends; tried again",
    "written at last": "It did",
    "checkpoint not written yet": "The graph waits for its thread",
    "checkpoint written at last": "It goes on",
    "thread not read yet": "The turn waits for its thread",
    "thread read at last": "It goes on",
    "thread not trimmed": "Old checkpoints stay a while",
    "parts of a project not honoured": "Its langgraph.json names what is not done here",
    "run not watched": "A fault of ours: a run's spans are missing",
    "run not told": "A fault of ours: a run's tools are missing on devices",
    "answer not judged": "A fault of ours: a model's answer was taken as it came",
    "ready streams unreadable": "No conversations are claimed",
    "ready streams readable again": "They are",
    "orphans not looked for": "No conversations are taken over",
    "orphans looked for again": "They are",
    "orphans unreadable": "A partition's record of them is damaged",
    "orphans readable again": "It is mended",
    "indices made anew": "Those of the Redis checkpointer had vanished",
    "indices not looked at": "Redis did not answer",
    "indices looked at again": "It does",
    "not set up again yet": "After Redis lost everything, it does not answer",
    "set up again at last": "It did",
    "set up again": "What this worker needs of an empty Redis is there",
    # presence
    "node changed": "`about` arrived, died or left, as this replica sees it",
    "shards changed": "This replica works for other groups of partitions than before: `held` of them",
    "shards not given back": "At its end a replica could not reach Redis; another takes its part in seconds",
    "node reaped": "A dead node's seats were freed",
    "sweep failed": "Nobody's leave is announced, until it goes on",
    "sweep goes on": "It is",
    "sweep met what it cannot read": "A record of presence is damaged",
    "sweep reads again": "It is mended",
    "housekeeping paused": "Nothing is cleared away, until it goes on",
    "housekeeping goes on": "It is",
    "housekeeping met what it cannot read": "A record of a deletion is damaged",
    "housekeeping reads again": "It is mended",
    "conversations retired": "So many that nobody used were deleted",
    "conversations cleared away": "What so many deleted ones had left is gone",
    "audit log trimmed": "So many old entries went",
    # operator
    "lease not renewed": "The cluster did not answer; another may take it",
    "lease renewed again": "It is held, or another's",
    "lease not released": "The next one waits until it runs out",
    "fleets not listed": "The cluster did not answer",
    "fleets listed again": "It does",
    "fleet not minded": "What it is made of could not be read or written",
    "fleet minded again": "It could",
    "effect done": "Something was changed in the cluster: what, and of which thing",
    "effect failed": "It could not be changed",
    "effect done at last": "It was",
}


@dataclass(frozen=True)
class Line:
    """One kind of line."""

    phrase: str
    level: str
    room: str
    facts: tuple[str, ...]


def lines() -> Iterator[Line]:
    """All that the source can say at info and above."""
    for folder, room in ROOMS.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and file.name != "trouble.py":  # which says others' phrases
                    yield from _of_call(node, room)
    yield Line("a library spoke", "any", "conversation", ("place",))


def _of_call(call: ast.Call, room: str) -> Iterator[Line]:
    named = call.func
    if isinstance(named, ast.Attribute) and named.attr in LEVELS and ast.unparse(named.value) in TELLERS:
        facts = tuple(each.arg for each in call.keywords if each.arg not in {None, "exc_info", "extra"})
        phrases = list(_phrases(call.args[0]))
        for phrase in phrases if named.attr != "debug" else ():
            told = (*(each for each in facts if each), *IMPLIED.get(named.attr, ()))
            yield Line(phrase, LEVELS[named.attr], room, told)
    elif isinstance(named, ast.Name) and named.id in {"Trouble", "Troubles"}:
        severe = any(each.arg == "severe" for each in call.keywords)
        for phrase in _phrases(call.args[1]):
            yield Line(phrase, "error" if severe else "warning", room, ())
        for phrase in _phrases(call.args[2]):
            yield Line(phrase, "info", room, ("times",))


def _phrases(said: ast.expr) -> Iterator[str]:
    """A phrase as it stands there, or both of two."""
    if isinstance(said, ast.IfExp):
        yield from (*_phrases(said.body), *_phrases(said.orelse))
    elif isinstance(said, ast.Constant):
        yield str(said.value)
    else:  # facts are keys: what is put into a phrase could be what somebody said
        raise ValueError(f"a phrase is a constant: {ast.unparse(said)}")  # noqa: TRY004 - a line is wrong


def page() -> str:
    """The whole page. Raises KeyError for a line without a meaning, ValueError for one that is not said."""
    found: dict[str, list[Line]] = {}
    for line in lines():
        found.setdefault(line.phrase, []).append(line)
    if unknown := found.keys() - MEANINGS.keys():
        raise KeyError(f"docs/lines.py says not what these mean: {sorted(unknown)}")
    if gone := MEANINGS.keys() - found.keys():
        raise ValueError(f"nobody says these any more: {sorted(gone)}")
    return HEAD + "".join(_row(phrase, found[phrase]) for phrase in MEANINGS)


def _row(phrase: str, said: list[Line]) -> str:
    levels, rooms = ({line.level: None for line in said}, {line.room: None for line in said})
    facts = {fact: None for line in said for fact in line.facts}
    shown = ", ".join(f"`{fact}`" for fact in facts)
    return f"| {phrase} | {', '.join(levels)} | {', '.join(rooms)} | {shown} | {MEANINGS[phrase]} |\n"


def main() -> int:
    """Write the page, or check it."""
    try:
        now = page()
    except (KeyError, ValueError) as fault:
        print(fault.args[0], file=sys.stderr)
        return 1
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(now)
        return 0
    if PAGE.exists() and PAGE.read_text() == now:
        return 0
    print("docs/lines.md is not what the code says: run `python docs/lines.py`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
