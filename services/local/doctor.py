"""`continuo doctor`: is the Redis in use what Continuo's promises need, and if not, what to do.

Called by the command line. It looks at the Redis of CONTINUO_REDIS_SENTINELS, else at the one `continuo up`
started here. With --keys it looks at what is kept there instead, key by key. Must never change anything.
"""

import argparse
import asyncio
import os

from services.local.diagnosis import DataServer, Finding, SentinelSaid, Verdict, judge
from services.local.keytable import looked_through
from services.local.reached import redis_environment, who_named_it
from services.shared.bus import examine
from services.shared.bus.examine import Access, Address, UnansweredError
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.settings import SettingsError, load

_LOOKED_AT = ("appendonly", "maxmemory-policy", "min-replicas-to-write")
_SIGNS = {Verdict.WELL: "ok  ", Verdict.WEAK: "weak", Verdict.WRONG: "BAD "}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sentinels", metavar="HOST:PORT,...", help="look at this Redis instead")
    parser.add_argument(
        "--keys",
        action="store_true",
        help="look at every key: is it known, owned, bounded; judges by the services' CONTINUO_PARTITIONS, "
        "_JOURNAL_LENGTH, _FIFO_LENGTH, _DEAD_LETTERS and _MESSAGES_KEPT",
    )


def run(given: argparse.Namespace) -> int:
    try:
        settings = load(RedisSettings, redis_environment(given.sentinels, os.environ))
    except SettingsError as error:
        print(f"continuo doctor: {error}")
        return 1
    if given.keys:
        return asyncio.run(looked_through(settings))
    findings = asyncio.run(examined(settings))
    nobody = not any(finding.verdict is Verdict.WELL for finding in findings)
    for finding in findings:
        print(f"{_SIGNS[finding.verdict]}  {finding.seen}")
        if finding.remedy:
            print(f"      {finding.remedy}")
    wrong = sum(finding.verdict is Verdict.WRONG for finding in findings)
    print(
        f"\n{wrong} of {len(findings)} checks failed"
        if wrong
        else "\nthis Redis keeps what Continuo promises"
    )
    if nobody and (asked := who_named_it(given.sentinels, os.environ)):
        print(asked)
    return 1 if wrong else 0


async def examined(settings: RedisSettings) -> list[Finding]:
    """Asks every Sentinel and every data server they name, and judges what they said."""
    keeper = Access(None, settings.redis_sentinel_password.reveal() or None)
    user = Access(settings.redis_username or None, settings.redis_password.reveal() or None)
    addresses = settings.sentinel_addresses()
    sentinels = [await _sentinel(address, settings.redis_master, keeper) for address in addresses]
    servers: list[Address] = []
    for said in sentinels:
        if said.view is not None:
            named = (said.view.master, *said.view.replicas)
            servers += [address for address in named if address not in servers]
    return judge(settings.redis_master, sentinels, [await _data_server(address, user) for address in servers])


async def _sentinel(address: Address, master: str, access: Access) -> SentinelSaid:
    try:
        view = await examine.sentinel_view(address, master, access)
        info = await examine.info(address, access)
        return SentinelSaid(address, view, "", str(info.get("valkey_version", "")))
    except UnansweredError as error:
        return SentinelSaid(address, None, str(error))


async def _data_server(address: Address, access: Access) -> DataServer:
    try:
        info = await examine.info(address, access)
        replication = await examine.replication(address, access)
        modules = await examine.modules(address, access)
    except UnansweredError as error:
        return DataServer(address, error=str(error))
    try:
        configuration = await examine.configuration(address, *_LOOKED_AT, access=access)
    except UnansweredError:
        configuration = None
    return DataServer(
        address,
        version=str(info.get("redis_version", "")),
        valkey_version=str(info.get("valkey_version", "")),
        replication=replication,
        modules=frozenset(modules),
        configuration=configuration,
    )
