"""Whom a text mentions: the words behind `@`. Pure; the accept script decides which of them are agents, and
which are members.

A word is what an agent's name can be: letters of ASCII, digits, `_` and `-`. It counts where it stands by
itself: not inside a word or an e-mail address (ann@example.org), a path or a handle of another house
(@ann@example.org). Scripts that set no spaces between words (Chinese, Japanese, Korean) may touch it. Must
never know a conversation.
"""

import re

LONGEST = 64
"""Characters an agent's name can have."""

_SPACELESS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_LETTER = rf"[^\W{_SPACELESS}]"
_MENTION = re.compile(rf"(?<!{_LETTER})(?<![-+%/@])@([A-Za-z0-9_-]+)(?!{_LETTER})(?![-@])")


def mentions(text: str) -> tuple[str, ...]:
    """The words behind `@`, in lower case, each once, in the order of the text. A word with a dash at its end
    counts without it as well: that may be the text's.
    """
    found: dict[str, None] = {}
    for match in _MENTION.finditer(text):
        word = match[1].lower()
        found |= dict.fromkeys(each for each in (word, word.rstrip("-_")) if 0 < len(each) <= LONGEST)
    return tuple(found)


MOST_NAMED = 50
"""Words of one text that may name people; what stands behind them names nobody."""
_NAME = re.compile(rf"(?<!{_LETTER})(?<![-+%/@])@([A-Za-z0-9_.@-]++)(?!{_LETTER})")


def named(text: str) -> tuple[str, ...]:
    """The words behind `@` that may be users, as they are written, each once, in the order of the text. What
    ends a sentence or a word (`.`, `-`) may be the text's or the user's, so such a word counts both ways.
    """
    found: dict[str, None] = {}
    for match in _NAME.finditer(text):
        forms = (match[1], match[1].rstrip("._-@"))
        found |= dict.fromkeys(each for each in forms if 0 < len(each) <= LONGEST)
        if len(found) >= MOST_NAMED:
            break
    return tuple(found)[:MOST_NAMED]
