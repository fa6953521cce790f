"""Lengths of texts as places in them are told: in UTF-16 code units, as JavaScript, Java and Dart count."""


def units(text: str) -> int:
    """Return the length of `text` in UTF-16 code units; half of a surrogate pair is one."""
    return len(text) + sum(character > "\uffff" for character in text)
