"""What several models say into one text: one after the other, each whole, whoever speaks at the same time.

Pure. Who began first is heard as it speaks; the others are heard when it has ended.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

APART = "\n\n"
"""Stands between what two of them say."""


@dataclass(slots=True)
class _Voice:
    waiting: list[str] = field(default_factory=list)
    over: bool = False


@dataclass(slots=True)
class Voices:
    """Of one text; each method returns what comes next in it."""

    _voices: dict[Hashable, _Voice] = field(default_factory=dict)
    """Those that are not over and told, in the order they began; the first is heard."""
    _last: Hashable = None

    def say(self, voice: Hashable, text: str) -> str:
        """Hear a piece of what one says."""
        if not text:
            return ""
        self._voices.setdefault(voice, _Voice()).waiting.append(text)
        return self._next()

    def end(self, voice: Hashable) -> str:
        """Hear that one has ended."""
        if (known := self._voices.get(voice)) is None:
            return ""
        known.over = True
        return self._next()

    def close(self) -> str:
        """Hear that no more comes."""
        for voice in self._voices.values():
            voice.over = True
        return self._next()

    def _next(self) -> str:
        told: list[str] = []
        while self._voices:
            voice, first = next(iter(self._voices.items()))
            if first.waiting:
                told += [*self._gap(voice), *first.waiting]
                first.waiting.clear()
            if not first.over:
                break
            del self._voices[voice]
        return "".join(told)

    def _gap(self, voice: Hashable) -> list[str]:
        last, self._last = self._last, voice
        return [APART] if last not in (None, voice) else []
