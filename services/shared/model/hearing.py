"""How well a process's live feed hears, as bus/live.py knows it and others judge it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hearing:
    """What a feed knows of its own ears.

    silent_s: since it heard anything, its own probe or an event. unanswered: its probes that Redis took
    since then, of which none came back. deaf: it has been silent for longer than a probe can take.
    """

    silent_s: float
    unanswered: int
    deaf: bool
