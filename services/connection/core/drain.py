"""How a connection process comes to its end, and how the operator empties it before: words in, standing out.

Driven by drain.py, which closes the sockets; how fast is pacing.py's. Pure: the time is in each word.

                 Ordered, Withdrawn                    Looked (nobody left)
    SERVING <------------------------> CORDONED ------------------------------> EMPTIED
       | Told                              | Told, Hurried                         | Told, Hurried
       v                                   v                                       v
   LAME_DUCK -- its time is over, --> DRAINING ---- Looked (nobody left) -------> GONE
                Hurried, Ordered

A cordoned process is one that lets nobody in because the operator said so (`plan`); that word can be taken
back until the process is told to end, and leads from EMPTIED to SERVING too. Hurried is the second word to
end: who hears it first is told by it, and SERVING goes to DRAINING. Another word repeated changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a process stands. CORDONED is shown as `draining`: for a client it is the same."""

    SERVING = "serving"
    LAME_DUCK = "lame_duck"
    CORDONED = "cordoned"
    EMPTIED = "emptied"
    DRAINING = "draining"
    GONE = "gone"

    @property
    def shown(self) -> str:
        """The word for it on the admin port and in metrics."""
        return (State.DRAINING if self is State.CORDONED else self).value


SHOWN = tuple(dict.fromkeys(state.shown for state in State))
"""Every word that is shown."""
CLOSING = frozenset({State.CORDONED, State.DRAINING})
"""Where connections are being closed."""
ENDING = frozenset({State.LAME_DUCK, State.DRAINING, State.GONE})
"""Where the process has been told to end."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the settings say, in seconds: how long late handshakes are served, how long a drain may take."""

    propagation_s: float
    drain_s: float


# ------------------------------------------------------------------------------------------- what is said


@dataclass(frozen=True, slots=True)
class Ordered:
    """The operator wants this process empty within so many seconds."""

    now: float
    plan: str
    within_s: float


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The operator takes its plan back."""

    now: float
    plan: str


@dataclass(frozen=True, slots=True)
class Told:
    """The process is to end. crashed: something in it broke, so nobody new should come meanwhile."""

    now: float
    crashed: bool = False


@dataclass(frozen=True, slots=True)
class Hurried:
    """Told once more: half of what time is left must do. It counts also where it overtook the first word."""

    now: float


@dataclass(frozen=True, slots=True)
class Looked:
    """Time passed, and so many connections are here."""

    now: float
    connections: int


Word = Ordered | Withdrawn | Told | Hurried | Looked


class RefusedError(Exception):
    """What was asked for cannot be any more; the message says why."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a process stands. All times are seconds on one clock that never falls.

    plan: whose cordon it is, None without one. until: end of the lame duck. deadline: when everybody is gone.
    """

    state: State = State.SERVING
    plan: str | None = None
    until: float | None = None
    deadline: float | None = None

    @property
    def closed(self) -> bool:
        """Whether handshakes are refused."""
        return self.state not in {State.SERVING, State.LAME_DUCK}

    @property
    def empty(self) -> bool:
        """Whether a cordoned process has nobody left: it is not ready from then on."""
        return self.plan is not None and self.state in {State.EMPTIED, State.GONE}

    def left_s(self, now: float) -> float | None:
        """Seconds until everybody has to be gone; None when nobody has to go."""
        return None if self.deadline is None else max(0.0, self.deadline - now)


def after(standing: Standing, word: Word, terms: Terms) -> Standing:
    """Where a process stands after a word. Raises RefusedError for what cannot be taken back any more."""
    step = _TABLE[standing.state, type(word)]
    return step(standing, word, terms)


def _stays(standing: Standing, _word: Word, _terms: Terms) -> Standing:
    return standing


def _cordon(standing: Standing, word: Ordered, _: Terms) -> Standing:
    """A repeat must not put the deadline off; a later plan sets its own."""
    if standing.plan == word.plan:
        return standing
    state = State.EMPTIED if standing.state is State.EMPTIED else State.CORDONED
    return Standing(state, word.plan, deadline=word.now + word.within_s)


def _cordon_at_the_end(standing: Standing, word: Ordered, terms: Terms) -> Standing:
    """Who is cordoned serves no late handshakes; the end's own deadline still holds."""
    if standing.plan == word.plan:
        return standing
    ending = standing.deadline if standing.state is State.DRAINING else word.now + terms.drain_s
    assert ending is not None, "who ends has a deadline"
    return Standing(State.DRAINING, word.plan, deadline=min(word.now + word.within_s, ending))


def _withdraw(standing: Standing, word: Withdrawn, _: Terms) -> Standing:
    if standing.plan != word.plan:
        raise RefusedError(f"plan {standing.plan!r} holds this process, not {word.plan!r}")
    return Standing()


def _withdraw_too_late(_standing: Standing, _word: Withdrawn, _terms: Terms) -> Standing:
    raise RefusedError("this process is ending")


def _end(_: Standing, word: Told, terms: Terms) -> Standing:
    if word.crashed or not terms.propagation_s:
        return Standing(State.DRAINING, deadline=word.now + terms.drain_s)
    until = word.now + terms.propagation_s
    return Standing(State.LAME_DUCK, until=until, deadline=until + terms.drain_s)


def _end_cordoned(standing: Standing, word: Told, terms: Terms) -> Standing:
    ending = word.now + terms.drain_s
    deadline = ending if standing.deadline is None else min(standing.deadline, ending)
    return Standing(State.DRAINING, standing.plan, deadline=deadline)


def _end_emptied(standing: Standing, _word: Told | Hurried, _terms: Terms) -> Standing:
    """Nobody is here and nobody was let in since: at no moment it looks ready again."""
    return Standing(State.GONE, standing.plan)


def _end_early(standing: Standing, word: Told, terms: Terms) -> Standing:
    return _end(standing, word, terms) if word.crashed else standing


def _end_hurried(_: Standing, word: Hurried, terms: Terms) -> Standing:
    """No lame duck, or no more of it."""
    return Standing(State.DRAINING, deadline=word.now + terms.drain_s / 2)


def _end_cordoned_hurried(standing: Standing, word: Hurried, terms: Terms) -> Standing:
    return _hurry(_end_cordoned(standing, Told(word.now), terms), word, terms)


def _hurry(standing: Standing, word: Hurried, _: Terms) -> Standing:
    left_s = standing.left_s(word.now)
    assert left_s is not None, "who ends has a deadline"
    return replace(standing, deadline=word.now + left_s / 2)


def _look_duck(standing: Standing, word: Looked, terms: Terms) -> Standing:
    assert standing.until is not None, "a lame duck has its time"
    if word.now < standing.until:
        return standing
    draining = Standing(State.DRAINING, deadline=standing.deadline)
    return _look_draining(draining, word, terms)


def _look_cordoned(standing: Standing, word: Looked, _: Terms) -> Standing:
    return standing if word.connections else Standing(State.EMPTIED, standing.plan)


def _look_draining(standing: Standing, word: Looked, _: Terms) -> Standing:
    return standing if word.connections else Standing(State.GONE, standing.plan)


_TABLE: dict[tuple[State, type], Callable[[Standing, Any, Terms], Standing]] = {
    (State.SERVING, Ordered): _cordon,
    (State.SERVING, Withdrawn): _stays,  # a repeat
    (State.SERVING, Told): _end,
    (State.SERVING, Hurried): _end_hurried,
    (State.SERVING, Looked): _stays,
    (State.CORDONED, Ordered): _cordon,
    (State.CORDONED, Withdrawn): _withdraw,
    (State.CORDONED, Told): _end_cordoned,
    (State.CORDONED, Hurried): _end_cordoned_hurried,
    (State.CORDONED, Looked): _look_cordoned,
    (State.EMPTIED, Ordered): _cordon,
    (State.EMPTIED, Withdrawn): _withdraw,
    (State.EMPTIED, Told): _end_emptied,
    (State.EMPTIED, Hurried): _end_emptied,
    (State.EMPTIED, Looked): _stays,
    (State.LAME_DUCK, Ordered): _cordon_at_the_end,
    (State.LAME_DUCK, Withdrawn): _withdraw_too_late,
    (State.LAME_DUCK, Told): _end_early,
    (State.LAME_DUCK, Hurried): _end_hurried,
    (State.LAME_DUCK, Looked): _look_duck,
    (State.DRAINING, Ordered): _cordon_at_the_end,
    (State.DRAINING, Withdrawn): _withdraw_too_late,
    (State.DRAINING, Told): _stays,
    (State.DRAINING, Hurried): _hurry,
    (State.DRAINING, Looked): _look_draining,
    (State.GONE, Ordered): _stays,
    (State.GONE, Withdrawn): _withdraw_too_late,
    (State.GONE, Told): _stays,
    (State.GONE, Hurried): _stays,
    (State.GONE, Looked): _stays,
}
