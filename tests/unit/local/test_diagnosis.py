"""The doctor's judgement of what servers said."""

from dataclasses import replace

import pytest

from services.local.diagnosis import DataServer, Finding, SentinelSaid, Verdict, judge
from services.shared.bus.examine import Replication, SentinelView

MASTER = ("127.0.0.1", 1)
REPLICA = ("127.0.0.1", 2)
SOUND = {"appendonly": "yes", "maxmemory-policy": "noeviction", "min-replicas-to-write": "1"}
VIEW = SentinelView(MASTER, frozenset({"master"}), 2, True, 2, (REPLICA,), 2)
SENTINEL = SentinelSaid(("127.0.0.1", 9), VIEW, "")
SERVER = DataServer(
    MASTER, "8.0.1", "", Replication("master", False, False, 2, "", 0), frozenset({"search", "rejson"}), SOUND
)


def _wrong(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.verdict is Verdict.WRONG]


def test_a_sound_group_has_no_remedy_to_offer() -> None:
    findings = judge("continuo", [SENTINEL], [SERVER])
    assert {finding.verdict for finding in findings} == {Verdict.WELL}
    assert not any(finding.remedy for finding in findings)


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (replace(SERVER, version="7.2.9"), "too old"),
        (replace(SERVER, version="7.2.4", valkey_version="7.2.9"), "too old"),
        (replace(SERVER, modules=frozenset({"search"})), "lacks the module rejson"),
        (replace(SERVER, configuration={**SOUND, "appendonly": "no"}), "appendonly no"),
        (replace(SERVER, configuration={**SOUND, "maxmemory-policy": "allkeys-lru"}), "allkeys-lru"),
        (replace(SERVER, configuration={**SOUND, "min-replicas-to-write": "0"}), "min-replicas-to-write 0"),
        (replace(SERVER, replication=Replication("master", False, False, 0, "", 0)), "no replica follows"),
        (replace(SERVER, replication=Replication("slave", False, True, 0, "", 0)), "says it is a slave"),
        (DataServer(MASTER, error="refused"), "does not answer: refused"),
    ],
)
def test_each_broken_promise_is_named_with_a_remedy(server: DataServer, said: str) -> None:
    wrong = _wrong(judge("continuo", [SENTINEL], [server]))
    assert len(wrong) == 1
    assert said in wrong[0].seen
    assert wrong[0].remedy


def test_a_valkey_of_version_eight_or_later_is_well() -> None:
    assert not _wrong(
        judge("continuo", [SENTINEL], [replace(SERVER, version="7.2.4", valkey_version="9.1.2")])
    )


@pytest.mark.parametrize("version", ["", "8.1.4", "9.0.0", "9.10.0"])
def test_a_sentinel_that_forgets_old_votes_is_well(version: str) -> None:
    assert not _wrong(judge("continuo", [replace(SENTINEL, valkey_version=version)], [SERVER]))


@pytest.mark.parametrize("version", ["9.1.0", "9.1.2"])
def test_a_sentinel_that_keeps_old_votes_is_named_with_a_remedy(version: str) -> None:
    wrong = _wrong(judge("continuo", [SENTINEL, replace(SENTINEL, valkey_version=version)], [SERVER]))
    assert len(wrong) == 1
    assert version in wrong[0].seen
    assert wrong[0].remedy


def test_one_dead_sentinel_is_weak_and_all_dead_is_wrong() -> None:
    dead = SentinelSaid(("127.0.0.1", 8), None, "refused")
    assert not _wrong(judge("continuo", [dead, SENTINEL], [SERVER]))
    assert len(_wrong(judge("continuo", [dead], []))) == 1


def test_sentinels_that_name_different_masters_are_named() -> None:
    other = SentinelSaid(("127.0.0.1", 8), replace(VIEW, master=REPLICA), "")
    wrong = _wrong(judge("continuo", [SENTINEL, SENTINEL, other], [SERVER]))
    assert ["different masters" in finding.seen for finding in wrong] == [True]


def test_a_quorum_out_of_reach_is_wrong() -> None:
    alone = SentinelSaid(("127.0.0.1", 9), replace(VIEW, quorum_reachable=False), "")
    assert "quorum" in _wrong(judge("continuo", [alone], [SERVER]))[0].seen


def test_a_configuration_that_may_not_be_read_is_weak() -> None:
    findings = judge("continuo", [SENTINEL], [replace(SERVER, configuration=None)])
    assert [finding.verdict for finding in findings].count(Verdict.WEAK) == 1
