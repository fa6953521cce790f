"""What a data server of the development Redis may start as, case by case, in every shell at hand."""

import pytest

from tests.support.redis_decision import Facts, decided, shells

A, D, M, E, U = "away", "down", "master", "electable", "unelectable"
IGNORANT = "ignorant"


def names(pod: object, epoch: int = 0) -> str:
    return f"names {pod} {epoch}"


def facts(me: int, volume: str, sentinels: list[str], servers: list[str], patience: str = "left") -> Facts:
    return Facts(me, volume, tuple(sentinels), tuple(servers), patience)


NOBODY = [D, D, D]
FRESH = [IGNORANT] * 3
ALL_0, ALL_1 = [names(0)] * 3, [names(1, 4)] * 3

CASES = {
    "a new group: pod 0 begins": (facts(0, "empty", FRESH, NOBODY), "master"),
    "a new group: the others wait for it": (facts(1, "empty", FRESH, NOBODY), "wait"),
    "an empty pod 0 waits for a Sentinel that is away": (
        facts(0, "empty", [IGNORANT, IGNORANT, A], NOBODY, "spent"),
        "wait",
    ),
    "an empty pod 0 alone waits for ever": (facts(0, "empty", [IGNORANT, A, A], [D, A, A], "spent"), "wait"),
    "an empty pod waits for its own Sentinel": (facts(0, "empty", [A, IGNORANT, IGNORANT], NOBODY), "wait"),
    "a new pod follows a master that one Sentinel names": (
        facts(1, "empty", [names(0), IGNORANT, A], [M, D, D]),
        "replica 0",
    ),
    "pod 0's interrupted beginning goes on": (
        facts(0, "empty", [names(0), IGNORANT, IGNORANT], NOBODY),
        "master",
    ),
    "a kept volume whose Sentinel knows nothing waits until it is told": (
        facts(0, "kept", FRESH, NOBODY),
        "wait",
    ),
    "all were stopped: the named master begins": (facts(0, "kept", ALL_0, NOBODY), "master"),
    "all were stopped after a failover: the new master begins": (facts(1, "kept", ALL_1, NOBODY), "master"),
    "all were stopped after a failover: the old one waits for it": (
        facts(0, "kept", ALL_1, NOBODY),
        "wait",
    ),
    "and follows when it is there": (facts(0, "kept", ALL_1, [D, M, D]), "replica 1"),
    "the higher epoch is the later word, also of one alone": (
        facts(1, "kept", [names(0), names(1, 4), names(0)], NOBODY),
        "master",
    ),
    "a master by an older word waits": (
        facts(0, "kept", [names(0), names(1, 4), names(0)], NOBODY),
        "wait",
    ),
    "the named master alone waits": (facts(0, "kept", [names(0), A, A], [D, A, A], "spent"), "wait"),
    "with a second Sentinel it waits for the third": (
        facts(0, "kept", [names(0), names(0), A], [D, D, A]),
        "wait",
    ),
    "and goes on without it in the end": (
        facts(0, "kept", [names(0), names(0), A], [D, D, A], "spent"),
        "master",
    ),
    "an ignorant Sentinel is no second one": (
        facts(0, "kept", [names(0), IGNORANT, A], [D, D, A], "spent"),
        "wait",
    ),
    "a master whose replica lives waits for the Sentinels to choose": (
        facts(0, "kept", ALL_0, [D, E, E]),
        "wait",
    ),
    "however long that takes": (facts(0, "kept", ALL_0, [D, D, E], "spent"), "wait"),
    "replicas without a first copy hold nothing newer": (facts(0, "kept", ALL_0, [D, U, U]), "master"),
    "a server that hangs may hold something newer": (facts(0, "kept", ALL_0, [D, A, D]), "wait"),
    "a master whose successor runs waits for the Sentinels' word": (
        facts(0, "kept", ALL_0, [D, M, E]),
        "wait",
    ),
    "also when no replica is left": (facts(0, "kept", ALL_0, [D, M, D], "gone"), "wait"),
    "and follows on it": (facts(0, "kept", ALL_1, [D, M, E]), "replica 1"),
    "a replica that restarts follows": (facts(2, "kept", ALL_0, [M, E, D]), "replica 0"),
    "a replica with one Sentinel's word waits for a second": (
        facts(2, "kept", [A, A, names(0)], [M, A, D]),
        "wait",
    ),
    "a named master that is a replica is waited for": (facts(2, "kept", ALL_0, [E, E, D], "spent"), "wait"),
    "a lost volume copies the master": (
        facts(0, "empty", [IGNORANT, names(1, 4), names(1, 4)], [D, M, E]),
        "replica 1",
    ),
    "an empty named master never begins": (
        facts(0, "empty", [IGNORANT, names(0), names(0)], NOBODY, "spent"),
        "wait",
    ),
    "the master's volume is lost: the others stand for election": (
        facts(1, "kept", [IGNORANT, names(0), names(0)], NOBODY),
        "candidate 0",
    ),
    "not one whose disk has not all it copied, while another may": (
        facts(1, "partial", [IGNORANT, names(0), names(0)], NOBODY, "spent"),
        "wait",
    ),
    "in the end it does, when nothing else is left": (
        facts(1, "partial", [IGNORANT, names(0), names(0)], NOBODY, "gone"),
        "candidate 0",
    ),
    "but never while the master may come back": (
        facts(1, "partial", [A, names(0), names(0)], [A, D, D], "gone"),
        "wait",
    ),
    "a partial copy follows as any other": (facts(1, "partial", ALL_0, [M, D, D]), "replica 0"),
    "a named master whose disk has not all it had waits for one that has": (
        facts(0, "partial", ALL_0, NOBODY),
        "wait",
    ),
    "until after those have stood for election": (facts(0, "partial", ALL_0, NOBODY, "gone"), "wait"),
    "which they do by then": (facts(1, "kept", ALL_0, NOBODY, "gone"), "candidate 0"),
    "and as long as they live": (facts(0, "partial", ALL_0, [D, E, D], "over"), "wait"),
    "it begins when nobody has": (facts(0, "partial", ALL_0, NOBODY, "over"), "master"),
    "also with a majority only": (
        facts(0, "partial", [names(0), names(0), A], [D, D, A], "over"),
        "master",
    ),
    "but not alone": (facts(0, "partial", [names(0), A, A], [D, A, A], "over"), "wait"),
    "at once, when its volume is the only one left": (
        facts(0, "partial", [names(0), IGNORANT, IGNORANT], NOBODY),
        "master",
    ),
    "who has all stands for election then as well": (facts(1, "kept", ALL_0, NOBODY, "over"), "candidate 0"),
    "and who has not, when the master's volume is lost": (
        facts(1, "partial", [IGNORANT, names(0), names(0)], NOBODY, "over"),
        "candidate 0",
    ),
    "an empty pod never stands for election": (
        facts(1, "empty", [IGNORANT, IGNORANT, names(0)], NOBODY, "spent"),
        "wait",
    ),
    "however long its master is gone": (
        facts(2, "empty", [names(0), names(0), IGNORANT], [D, D, D], "gone"),
        "wait",
    ),
    "the master stays away: the others stand for election in the end": (
        facts(1, "kept", [A, names(0), names(0)], [A, D, D], "spent"),
        "candidate 0",
    ),
    "a master whose pod is there may yet begin": (
        facts(1, "kept", [names(0), names(0), A], [D, D, A], "spent"),
        "wait",
    ),
    "if it does not, they stand for election as well": (
        facts(1, "kept", [names(0), names(0), A], [D, D, A], "gone"),
        "candidate 0",
    ),
    "not before": (facts(1, "kept", [A, names(0), names(0)], [A, D, D]), "wait"),
    "not without a majority to elect": (facts(1, "kept", [A, names(0), A], [A, D, A], "spent"), "wait"),
    "the only volume left begins, whoever is named": (
        facts(2, "kept", [IGNORANT, IGNORANT, names(1, 4)], NOBODY),
        "master",
    ),
    "memories lost, read anew from the data: most hold": (
        facts(1, "kept", [names(0), names(1), names(1)], NOBODY),
        "master",
    ),
    "memories lost, two of them different: wait for the third": (
        facts(0, "kept", [names(0), names(1), A], [D, D, A], "spent"),
        "wait",
    ),
    "a stranger is followed by nobody": (facts(1, "kept", [names("-")] * 3, NOBODY, "spent"), "wait"),
}


@pytest.mark.parametrize("shell", shells(), ids=" ".join)
def test_each_case_is_decided_as_it_must(shell: tuple[str, ...]) -> None:
    asked = [case for case, _ in CASES.values()]
    said = dict(zip(CASES, decided(asked, shell), strict=True))
    assert said == {name: expected for name, (_, expected) in CASES.items()}
