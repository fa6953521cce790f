"""Which Redis a command of this machine is about: the one named, else the environment's, else the one that
`continuo up` started here.

Called by the commands that ask Redis. Must never start or change anything.
"""

from collections.abc import Mapping

from services.local.home import Home

SENTINELS_VARIABLE = "CONTINUO_REDIS_SENTINELS"


def redis_environment(sentinels: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with the Sentinels filled in; `sentinels` as typed, "host:port,...", or None."""
    found = dict(environ)
    running = Home.of(environ).running()
    if sentinels:
        found[SENTINELS_VARIABLE] = sentinels
    elif SENTINELS_VARIABLE not in found and running:
        found[SENTINELS_VARIABLE] = running.sentinels
    return found
