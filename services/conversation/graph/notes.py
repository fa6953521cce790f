"""What the default graph writes down about a conversation: who said how much, how people are called, what
they told.

Pure functions over texts. The `recall` node brings the notes up to date at the start of each turn; both
the built-in model and a real one are given them, so an answer can reach back further than the messages it
is shown.
"""

import re
from collections.abc import Iterable
from typing import TypedDict

FACTS_KEPT = 12
"""Per person; older ones make room."""

_NAME = re.compile(
    r"(?i:\bmy name is|\bi am called|\bcall me|\bi['’]m called)"
    r"\s+([^\W\d_][\w'’-]*(?:\s+[A-Z][\w'’-]*)?)"
)
_FACT = re.compile(
    r"(?i)\bremember(?: that)?[:,]?\s+(?P<told>[^.!?\n]+)"
    r"|\b(?P<own>(?:i (?:like|love|live|work|have|need|want|prefer|hate)|my (?!name\b)\w+ (?:is|are))"
    r"\b[^.!?\n]*)"
)


class Person(TypedDict):
    """One user of the conversation."""

    messages: int
    called: str
    facts: list[str]


class Notes(TypedDict):
    """`last` is the id of the last message written down, `messages` how many people's messages there were."""

    last: str
    messages: int
    people: dict[str, Person]


def empty_notes() -> Notes:
    """Return the notes of a conversation in which nothing was said."""
    return {"last": "", "messages": 0, "people": {}}


def noted(notes: Notes, said: Iterable[tuple[str, str, str]]) -> Notes:
    """Return the notes with messages (id, user, text) added; those up to `notes["last"]` are not counted
    again.
    """
    said = list(said)
    seen = [index for index, (message, _, _) in enumerate(said) if message == notes["last"]]
    people = {user: _copied(person) for user, person in notes["people"].items()}
    last, count = notes["last"], notes["messages"]
    for message, user, text in said[seen[-1] + 1 if seen else 0 :]:
        _write_down(people.setdefault(user, {"messages": 0, "called": "", "facts": []}), text)
        last, count = message, count + 1
    return {"last": last, "messages": count, "people": people}


def in_words(notes: Notes) -> str:
    """Return the notes as text for a model."""
    lines = [f"{notes['messages']} messages from people so far."]
    for user, person in notes["people"].items():
        called = f", called {person['called']}" if person["called"] else ""
        told = f"; told: {'; '.join(person['facts'])}" if person["facts"] else ""
        lines.append(f"- {user}{called}: {person['messages']} messages{told}")
    return "\n".join(lines)


def _write_down(person: Person, text: str) -> None:
    person["messages"] += 1
    if name := _NAME.search(text):
        person["called"] = name.group(1).strip()
    for found in _FACT.finditer(text):
        fact = (found["told"] or found["own"]).strip()
        person["facts"] = [*(one for one in person["facts"] if one != fact), fact][-FACTS_KEPT:]


def _copied(person: Person) -> Person:
    return {"messages": person["messages"], "called": person["called"], "facts": list(person["facts"])}
