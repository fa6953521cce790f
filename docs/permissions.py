"""Writes docs/permissions.md: who may do what in a conversation, from shared/model/permissions.py.

Run it to write the page; with `--check` it fails when the page is not what the code says.
"""

from __future__ import annotations

import sys
from pathlib import Path

from services.shared.model.permissions import TABLE, Permission, Role

PAGE = Path(__file__).parent / "permissions.md"

HEAD = """\
# Who may do what

Made from `services/shared/model/permissions.py` by `python docs/permissions.py`; change it there.

Everybody in a conversation has one role. Its maker is an `owner`; members are let in as `member`, `reader` or
`owner`. An agent's role is `agent`: it takes part through its worker, by the worker's lease, and does none of
this. What a role may is judged in the same step as the deed, so a change of a role holds at once, everywhere.

A back end that acts as itself is called `service:<name of its key>`. It has the role `service` wherever there
is a conversation, and is a member of none: it may what an owner may, but not what one does for oneself.
Beside the table, that is: make a conversation (it belongs to a user), see invitations, accept or decline one.

Who is not in the conversation gets error 103 (permission denied), as if there were no such conversation; a
service gets it where there is none. Who is, in a role that may not, gets error 403 (refused), with the role
and the operation in its text.

"""


def page() -> str:
    """The whole page."""
    roles = list(Role)
    head = "| operation | what it is | " + " | ".join(roles) + " |\n"
    rule = "|---|---|" + "---|" * len(roles) + "\n"
    return HEAD + head + rule + "".join(_row(row) for row in TABLE)


def _row(row: Permission) -> str:
    cells = " | ".join("yes" if role in row.roles else "403" for role in Role)
    return f"| `{row.operation}` | {row.meaning} | {cells} |\n"


def main() -> int:
    """Write the page, or check it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
        return 0
    if PAGE.exists() and PAGE.read_text() == page():
        return 0
    print("docs/permissions.md is not what the code says: run `python docs/permissions.py`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
