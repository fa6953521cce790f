"""Every way in which three stopped pods of the development Redis can come back, played through with the
decision of the start script: nobody begins with less than was acknowledged, and never two.

A world is what the volumes hold. Pods come up one after the other, in every order; each asks what the others
show, as the start script does, until nobody moves any more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product

from tests.support.redis_decision import Facts, decided

PODS = (0, 1, 2)
MAJORITY = 2


@dataclass(frozen=True, slots=True)
class Volume:
    """What a pod's volume holds: nothing, or a data set (newest or not) and the Sentinel's last word."""

    newest: bool
    names: int
    epoch: int


@dataclass(frozen=True, slots=True)
class World:
    """The volumes, which pods come up and in which order, and whether they waited long."""

    volumes: tuple[Volume | None, ...]
    order: tuple[int, ...]
    patience: str
    up: int = 1
    """So many of the order are up."""
    runs: tuple[str, ...] = ("", "", "")
    """As what each data server started."""

    def facts(self, pod: int) -> Facts:
        up = self.order[: self.up]
        return Facts(
            me=pod,
            volume="kept" if self.volumes[pod] or self.runs[pod] else "empty",
            sentinels=tuple(self._sentinel(other) if other in up else "away" for other in PODS),
            servers=tuple(self._server(other) if other in up else "away" for other in PODS),
            patience=self.patience,
        )

    def _sentinel(self, pod: int) -> str:
        started, volume = self.runs[pod], self.volumes[pod]
        known = self._latest_known()
        if volume is None and not started:
            return "ignorant"
        if volume is None or (started == "master" and volume.names != pod):
            # The start script told it, before the data server began.
            epoch = 0 if started == "master" else known[1]
            return f"names {pod if started == 'master' else int(started.split()[1])} {epoch}"
        # Sentinels that are up tell each other the latest word.
        return f"names {known[0]} {known[1]}"

    def _latest_known(self) -> tuple[int, int]:
        words = [volume for pod in self.order[: self.up] if (volume := self.volumes[pod]) is not None]
        latest = max(words, key=lambda volume: volume.epoch, default=None)
        return (latest.names, latest.epoch) if latest else (0, 0)

    def _server(self, pod: int) -> str:
        started = self.runs[pod]
        if not started:
            return "down"
        return {"m": "master", "r": "electable", "c": "electable"}[started[0]]

    def waiting(self) -> list[int]:
        return [pod for pod in self.order[: self.up] if not self.runs[pod]]


def _played(worlds: Iterable[World]) -> list[World]:
    """How each world ends; all are played at once, so that one shell answers a whole round."""
    playing = list(worlds)
    going = True
    while going:
        moves = _moves(playing)
        after = [_after(world, move) for world, move in zip(playing, moves, strict=True)]
        going = after != playing
        playing = after
    return playing


def _moves(worlds: Sequence[World]) -> list[tuple[int, str] | None]:
    """The first pod of each world, in its order, that may start as something now."""
    asked = [(number, pod) for number, world in enumerate(worlds) for pod in world.waiting()]
    words = decided(worlds[number].facts(pod) for number, pod in asked)
    moves: list[tuple[int, str] | None] = [None] * len(worlds)
    beginning = [number for (number, _), word in zip(asked, words, strict=True) if word == "master"]
    assert len(beginning) == len(set(beginning)), "two may begin as master in the same moment"
    for (number, pod), word in zip(asked, words, strict=True):
        # One moves at a time: what the next one may do depends on it.
        if word != "wait" and moves[number] is None:
            moves[number] = (pod, word)
    return moves


def _after(world: World, move: tuple[int, str] | None) -> World:
    if move is not None:
        pod, word = move
        return replace(
            world, runs=tuple(word if other == pod else run for other, run in enumerate(world.runs))
        )
    return replace(world, up=min(world.up + 1, len(world.order)))


def _volumes(master: int, failed_over: bool, followers_know: bool) -> tuple[Volume, ...]:
    """Three volumes after some life: `master` was it last; the newest data are with it and one follower."""
    if not failed_over:
        return tuple(Volume(pod != (master + 2) % 3, master, 0) for pod in PODS)
    old = (master + 1) % 3
    # The old master was down when its successor was chosen: it has neither the word nor the data.
    knows, missed = Volume(True, master, 4), Volume(True, old, 0)
    return tuple(
        Volume(False, old, 0) if pod == old else knows if pod == master or followers_know else missed
        for pod in PODS
    )


def _lives() -> list[tuple[int, tuple[Volume, ...]]]:
    lives = [(0, _volumes(0, failed_over=False, followers_know=True))]
    for master, know in product(PODS, (True, False)):
        lives.append((master, _volumes(master, failed_over=True, followers_know=know)))
    return lives


def test_whoever_was_master_is_it_again_when_all_come_back() -> None:
    # With patience left they come one after the other; with it spent, all are there at once.
    ways = list(product(_lives(), (("left", 1), ("spent", 3)), permutations(PODS)))
    ends = _played(World(volumes, order, patience, up) for (_, volumes), (patience, up), order in ways)
    for ((master, _), _, _), end in zip(ways, ends, strict=True):
        assert sorted(end.runs) == sorted(["master", f"replica {master}", f"replica {master}"]), end
        assert end.runs[master] == "master", end


def test_nobody_begins_while_those_that_are_up_could_have_missed_an_election() -> None:
    ways = [(volumes, up, "left") for (_, volumes), up in product(_lives(), permutations(PODS, 2))]
    ways += [(volumes, (alone,), "gone") for (_, volumes), alone in product(_lives(), PODS)]
    for end in _played(World(volumes, up, patience) for volumes, up, patience in ways):
        assert end.runs == ("", "", ""), end


def test_two_go_on_without_the_third_in_the_end() -> None:
    """The master among them begins, however the patience of the two runs out."""
    ways = [(life, up) for life, up in product(_lives(), permutations(PODS, 2)) if life[0] in up]
    ends = _played(World(volumes, up, "spent", up=2) for (_, volumes), up in ways)
    for ((master, _), _), end in zip(ways, ends, strict=True):
        assert end.runs[master] == "master", end


def test_with_one_volume_lost_only_a_pod_with_data_begins_or_stands_for_election() -> None:
    ways = []
    for (master, volumes), lost, order in product(_lives(), PODS, permutations(PODS)):
        left = tuple(None if pod == lost else volume for pod, volume in enumerate(volumes))
        # Nobody is left who heard of the last election: not promised (docs/kubernetes-redis.md).
        if any(volume is not None and volume.names == master for volume in left):
            ways.append((master, lost, World(left, order, "left")))
    for (master, lost, _), end in zip(ways, _played(world for *_, world in ways), strict=True):
        if lost != master:
            assert end.runs[master] == "master", end
        else:
            assert end.runs[lost] == "", end
            assert [run for run in end.runs if run] == [f"candidate {lost}"] * 2, end


def test_with_two_volumes_lost_the_one_that_is_left_begins() -> None:
    ways = []
    for (_, volumes), kept, order in product(_lives(), PODS, permutations(PODS)):
        left = tuple(volume if pod == kept else None for pod, volume in enumerate(volumes))
        ways.append((kept, World(left, order, "left")))
    for (kept, _), end in zip(ways, _played(world for _, world in ways), strict=True):
        assert end.runs[kept] == "master", end
        assert sorted(end.runs) == sorted(["master", f"replica {kept}", f"replica {kept}"]), end


def test_a_new_group_begins_with_pod_0_and_only_when_all_were_asked() -> None:
    nothing = (None, None, None)
    ways = list(product(permutations(PODS), ("left", "spent", "gone")))
    for end in _played(World(nothing, order, patience) for order, patience in ways):
        assert end.runs == ("master", "replica 0", "replica 0"), end
    for end in _played(World(nothing, order[:2], patience) for order, patience in ways):
        assert end.runs == ("", "", ""), end
