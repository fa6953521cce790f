"""`continuo disconnect`: end all connections of a user, on every server.

Called by the command line. See `revoke` for tokens: who is disconnected and has a good one may come back.
"""

import argparse
import getpass

from services.local.revoke import done
from services.shared.bus.house import Bus

COMMAND = "disconnect"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sentinels", metavar="HOST:PORT,...", help="speak to this Redis instead")
    parser.add_argument("user", help="whose connections")
    parser.add_argument("--reconnect", action="store_true", help="tell clients to connect anew at once")


def run(given: argparse.Namespace) -> int:
    async def disconnect(bus: Bus) -> str:
        await bus.revocations.disconnect(given.user, by=getpass.getuser(), reconnects=given.reconnect)
        return f"told every server to end the connections of {given.user}"

    return done(COMMAND, given, disconnect)
