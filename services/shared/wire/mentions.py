"""Whom a text mentions: the words behind `@`. Pure; the accept script decides which of them are agents.

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
