"""Versions of channels: made here, and as text in a thread's header.

A version is a count and a random part: two branches of one checkpoint count alike, and must not take each
other's values for their own. As text a string is marked with a quote; savers of others, and LangGraph's
tests, use numbers.
"""

import random

NOISE_BITS = 32

Version = str | int | float


def next_version(current: Version | None) -> str:
    """Return a version above `current`, which is one of ours, or a number."""
    count = int(current.partition(".")[0], 16) if isinstance(current, str) else int(current or 0)
    return f"{count + 1:08x}.{random.getrandbits(NOISE_BITS):08x}"


def token_of(version: Version) -> str:
    """Return a version as text."""
    return f"'{version}" if isinstance(version, str) else repr(version)


def version_of(token: str) -> Version:
    """Return the version a text stands for. Raises ValueError."""
    if token.startswith("'"):
        return token[1:]
    return int(token) if token.lstrip("-").isdigit() else float(token)
