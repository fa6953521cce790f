"""What is wrong with a Redis, in words, and how to mend it: judged from what its servers said.

Called by `doctor`. Pure: facts in, findings out; must never ask a server anything itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from services.shared.bus.examine import Address, Replication, SentinelView


class Verdict(Enum):
    """How a finding stands: WEAK loses nothing, but leaves no reserve."""

    WELL = "well"
    WEAK = "weak"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `remedy` says what to do when it is not well."""

    verdict: Verdict
    seen: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class SentinelSaid:
    """One Sentinel's view, or None and why it gave none. valkey_version: empty for Redis' own."""

    address: Address
    view: SentinelView | None
    error: str
    valkey_version: str = ""


@dataclass(frozen=True, slots=True)
class DataServer:
    """What one data server said; `configuration` None: it may not be looked at; `error`: it did not
    answer.
    """

    address: Address
    version: str = ""
    valkey_version: str = ""
    replication: Replication | None = None
    modules: frozenset[str] = frozenset()
    configuration: Mapping[str, str] | None = None
    error: str = ""


def judge(
    master_name: str, sentinels: Sequence[SentinelSaid], servers: Sequence[DataServer]
) -> list[Finding]:
    """All findings, from the Sentinels down to each data server."""
    findings = list(_of_sentinels(master_name, sentinels))
    master = _agreed_master(sentinels)
    if master is None:
        return findings
    found = next((server for server in servers if server.address == master), None)
    if found is not None:
        findings += _of_master(found)
    for server in servers:
        findings += _of_server(server)
    return findings


def _agreed_master(sentinels: Sequence[SentinelSaid]) -> Address | None:
    named = [said.view.master for said in sentinels if said.view is not None]
    return max(named, key=named.count) if named else None


def _of_sentinels(master_name: str, sentinels: Sequence[SentinelSaid]) -> Iterator[Finding]:
    views = [said.view for said in sentinels if said.view is not None]
    for said in sentinels:
        if said.view is None:
            verdict = Verdict.WEAK if views else Verdict.WRONG
            yield Finding(
                verdict,
                f"Sentinel {_name(said.address)} does not answer for {master_name!r}: {said.error}",
                "Start it, or correct CONTINUO_REDIS_SENTINELS and CONTINUO_REDIS_MASTER.",
            )
    if not views:
        return
    if len({view.master for view in views}) > 1:
        named = ", ".join(sorted({_name(view.master) for view in views}))
        yield Finding(
            Verdict.WRONG,
            f"the Sentinels name different masters: {named}",
            "Wait for a failover to end; if they still differ, SENTINEL RESET the one that is behind.",
        )
    yield _quorum(views)
    yield _count(views)
    yield from (_of_old_votes(said) for said in sentinels if _keeps_old_votes(said.valkey_version))


def _keeps_old_votes(valkey_version: str) -> bool:
    """9.1.0 and 9.1.2 were tried, and 9.0.0, which does not; nothing newer was there to try."""
    return valkey_version.split(".")[:2] == ["9", "1"]


def _of_old_votes(said: SentinelSaid) -> Finding:
    return Finding(
        Verdict.WRONG,
        f"Sentinel {_name(said.address)} is of Valkey {said.valkey_version}: after one failover it takes the "
        "others' votes of then for today's, and replaces a living master that it alone does not reach",
        "Run Sentinels of Valkey 9.0 or of Redis; the data servers may stay as they are.",
    )


def _quorum(views: Sequence[SentinelView]) -> Finding:
    if all(view.quorum_reachable for view in views):
        return Finding(Verdict.WELL, f"the Sentinels reach their quorum of {views[0].quorum}")
    return Finding(
        Verdict.WRONG,
        "the Sentinels do not reach their quorum: nobody would replace a dead master",
        "Start the missing Sentinels, or check that they reach each other (SENTINEL CKQUORUM).",
    )


def _count(views: Sequence[SentinelView]) -> Finding:
    count = max(view.other_sentinels for view in views) + 1
    if count >= 3:
        return Finding(Verdict.WELL, f"{count} Sentinels watch the master")
    return Finding(
        Verdict.WEAK,
        f"only {count} Sentinels watch the master: losing one stops failover",
        "Run three, each on a machine of its own.",
    )


def _of_master(master: DataServer) -> Iterator[Finding]:
    said = master.replication
    if said is None:
        return
    if said.role != "master":
        yield Finding(
            Verdict.WRONG,
            f"{_name(master.address)} is named as master and says it is a {said.role}",
            "Wait for a failover to end; if it stays so, SENTINEL FAILOVER the master's name.",
        )
        return
    if said.online_replicas >= 2:
        yield Finding(Verdict.WELL, f"{said.online_replicas} replicas follow the master")
    elif said.online_replicas == 1:
        yield Finding(
            Verdict.WEAK,
            "only one replica follows the master: losing it stops all writes",
            "Run two replicas.",
        )
    else:
        yield Finding(
            Verdict.WRONG,
            "no replica follows the master: no message can be acknowledged",
            "Start the replicas (REPLICAOF the master), or set CONTINUO_ACKS=master and accept the loss.",
        )


def _of_server(server: DataServer) -> Iterator[Finding]:
    name = _name(server.address)
    if server.error:
        yield Finding(
            Verdict.WRONG, f"{name} does not answer: {server.error}", "Start it, or check its password."
        )
        return
    yield _version(server)
    yield _modules(server)
    if server.replication is not None and server.replication.role == "slave":
        yield _link(server.replication, name)
    yield from _configuration(server)


def _version(server: DataServer) -> Finding:
    name = _name(server.address)
    if server.valkey_version:
        return _at_least((8, 0), server.valkey_version, f"{name} runs Valkey {server.valkey_version}")
    return _at_least((7, 4), server.version, f"{name} runs Redis {server.version}")


def _at_least(wanted: tuple[int, int], version: str, seen: str) -> Finding:
    parts = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    if tuple(parts) >= wanted:
        return Finding(Verdict.WELL, seen)
    return Finding(Verdict.WRONG, f"{seen}, which is too old", "Run Redis 8, or 7.4 with its modules.")


def _modules(server: DataServer) -> Finding:
    missing = [name for name in ("search", "rejson") if name not in server.modules]
    if not missing:
        return Finding(Verdict.WELL, f"{_name(server.address)} has the search and JSON modules")
    return Finding(
        Verdict.WRONG,
        f"{_name(server.address)} lacks the module {' and the module '.join(missing)}: agents have no memory",
        "Run Redis 8, which has both, or load redisearch.so and rejson.so (loadmodule).",
    )


def _link(replication: Replication, name: str) -> Finding:
    if replication.link_up:
        return Finding(Verdict.WELL, f"{name} follows the master")
    return Finding(
        Verdict.WRONG,
        f"{name} is a replica without a link to its master",
        "Look into its log; with Valkey set repl-diskless-sync-delay 0.",
    )


_SETTINGS = (
    ("appendonly", "yes", "what it holds is gone when it restarts"),
    ("maxmemory-policy", "noeviction", "it drops data silently when memory is short"),
)


def _configuration(server: DataServer) -> Iterator[Finding]:
    name = _name(server.address)
    if server.configuration is None:
        yield Finding(
            Verdict.WEAK,
            f"{name} does not let its configuration be read",
            "Check by hand: appendonly yes, maxmemory-policy noeviction, min-replicas-to-write 1.",
        )
        return
    for setting, wanted, otherwise in _SETTINGS:
        value = server.configuration.get(setting, "")
        if value == wanted:
            yield Finding(Verdict.WELL, f"{name} has {setting} {wanted}")
        else:
            yield Finding(
                Verdict.WRONG,
                f"{name} has {setting} {value or 'unset'}: {otherwise}",
                f"CONFIG SET {setting} {wanted}, and write it into its configuration (CONFIG REWRITE).",
            )
    yield _min_replicas(name, server.configuration.get("min-replicas-to-write", "0"))


def _min_replicas(name: str, value: str) -> Finding:
    if value.isdigit() and int(value) >= 1:
        return Finding(Verdict.WELL, f"{name} has min-replicas-to-write {value}")
    return Finding(
        Verdict.WRONG,
        f"{name} has min-replicas-to-write 0: as an isolated master it would take writes that get lost",
        "CONFIG SET min-replicas-to-write 1, and write it into its configuration (CONFIG REWRITE).",
    )


def _name(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
