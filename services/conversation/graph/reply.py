"""What the built-in model says: answers made from nothing but the conversation, so that memory can be seen.

Pure. Called by models.ResidentModel with what any model gets: the notes and the latest messages. It
counts, quotes earlier messages, knows who is called what and who said what, and says long things on
request ("count to 200"), which demonstrations and tests of broken connections need.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.conversation.graph.notes import Notes

LONGEST_COUNT = 1000
_COUNT = re.compile(r"(?i)\bcount (?:up )?to (\d{1,4})\b")
_SAID = re.compile(r"(?i)\bwhat did ([\w.@-]+) (?:say|tell)")
_QUOTED = 140


@dataclass(frozen=True, slots=True)
class Utterance:
    """One message of the conversation; `user` is empty when the assistant said it."""

    user: str
    text: str


def reply_to(notes: Notes, heard: Sequence[Utterance]) -> str:
    """Return the answer to the last thing a person said."""
    people = [utterance for utterance in heard if utterance.user]
    if not people:
        return "Nobody has said anything yet."
    last, earlier = people[-1], people[:-1]
    text = last.text.lower()
    if counting := _COUNT.search(text):
        return _counted(min(int(counting.group(1)), LONGEST_COUNT))
    if said := _SAID.search(text):
        return _what_was_said(said.group(1).lower(), last.user, earlier)
    if re.search(r"\b(?:my name|who am i)\b", text) and "?" in text:
        return _own_name(notes, last.user)
    if re.search(r"\b(?:remember|know about|so far)\b", text) and "?" in text:
        return _everything(notes)
    return _small_talk(notes, last, earlier)


def _counted(top: int) -> str:
    return "Counting: " + ", ".join(str(number) for number in range(1, top + 1)) + ". Done."


def _what_was_said(user: str, asking: str, earlier: Sequence[Utterance]) -> str:
    user = asking.lower() if user in {"i", "we"} else user
    theirs = [_quote(utterance.text) for utterance in earlier if utterance.user.lower() == user]
    if not theirs:
        return f"{user} has not said anything that I can recall."
    return f"{user} said, in this order: " + ", then ".join(theirs[-5:]) + "."


def _own_name(notes: Notes, user: str) -> str:
    person = notes["people"].get(user)
    if person and person["called"]:
        return f"You are {person['called']}; you told me so, {user}."
    return f"You are signed in as {user}. You have not told me another name yet."


def _everything(notes: Notes) -> str:
    parts = [f"This conversation has {_plural(notes['messages'], 'message')} from people so far."]
    for user, person in notes["people"].items():
        called = f" and is called {person['called']}" if person["called"] else ""
        told = f". Told me: {'; '.join(person['facts'])}" if person["facts"] else ""
        parts.append(f"{user} wrote {person['messages']}{called}{told}.")
    return " ".join(parts)


def _small_talk(notes: Notes, last: Utterance, earlier: Sequence[Utterance]) -> str:
    person = notes["people"].get(last.user)
    name = person["called"] if person and person["called"] else last.user
    if not earlier:
        said = _quote(last.text)
        return f"Hello {name}. You said {said}. It is the first message here, and I will remember it."
    own = [utterance for utterance in earlier if utterance.user == last.user]
    others = [utterance for utterance in earlier if utterance.user != last.user]
    parts = [
        f"{name}, you said {_quote(last.text)}; that is message {notes['messages']} of this conversation."
    ]
    if own:
        parts.append(f"Before that you said {_quote(own[-1].text)}.")
    if others:
        parts.append(f"And {others[-1].user} said {_quote(others[-1].text)}.")
    return " ".join(parts)


def _quote(text: str) -> str:
    flat = " ".join(text.split())
    return f"“{flat[:_QUOTED]}…”" if len(flat) > _QUOTED else f"“{flat}”"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
