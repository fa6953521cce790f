"""docs/protocol.md says what the wire says."""

import subprocess
import sys
from pathlib import Path

from services.shared.wire import codes, rpc

HOUSE = Path(__file__).parents[3]


def test_the_protocol_page_is_fresh() -> None:
    command = [sys.executable, "docs/protocol.py", "--check"]
    checked = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_every_code_and_method_is_on_the_page() -> None:
    page = (HOUSE / "docs/protocol.md").read_text()
    numbers = [fault.code for fault in codes.FAULTS]
    numbers += [why.code for why in (*codes.Unsubscribe, *codes.Disconnect)]
    assert all(f"| {number} |" in page for number in numbers)
    assert all(f"### `{method}`" in page for method in rpc.METHODS)
