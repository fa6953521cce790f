"""`continuo trace` on files that are odd: damaged, of another hand, or read by nobody. It shows what it can,
and never ends with a traceback.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.local.collected import Collected, Told
from services.local.trace import told
from services.local.way import drawn, tree

TRACE = "a" * 32
ID = "019ac8f0-5b1e-7c3a-9d41-2f6a8b0c7e55"
AT = 1_700_000_000_000_000_000
HOUSE = Path(__file__).parents[3]


def span(id_: str, parent: str = "", **more: Any) -> dict[str, Any]:
    about = {"key": "messaging.message.id", "value": {"stringValue": ID}}
    named = {"traceId": TRACE, "spanId": id_, "parentSpanId": parent, "name": "message.send"}
    return {
        **named,
        "startTimeUnixNano": str(AT),
        "endTimeUnixNano": str(AT + 5),
        "attributes": [about],
        **more,
    }


def line(*spans: dict[str, Any]) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode() + b"\n"


def said(key: str, value: Any) -> dict[str, Any]:
    return {"attributes": [{"key": key, "value": value}]}


def kept(folder: Path, *lines: bytes) -> Path:
    file = folder / "traces.jsonl"
    file.write_bytes(b"".join(lines))
    return file


@pytest.mark.parametrize(
    "damaged",
    [
        line(span("2", name="\xff")).replace(b"\\u00ff", b"\xff"),
        line(span("2", startTimeUnixNano=str(10**25))),
        line(span("2", endTimeUnixNano="-1")),
        line(span("2", **said("continuo.deltas", {"intValue": "many"}))),
        line(span("2", **said("continuo.node", {"arrayValue": {"values": None}}))),
        line(span("\x1b[2J")),
        b'{"of": "' + TRACE.encode() + b'", "resourceSpans": ' + b"[" * 100_000 + b"\n",
    ],
    ids=["no text", "too late", "before all", "no number", "no list", "no id", "deep"],
)
def test_a_line_that_no_service_writes_is_passed_over(tmp_path: Path, damaged: bytes) -> None:
    file = kept(tmp_path, damaged, line(span("1")))
    [shown] = Collected(file).traces([TRACE])
    assert [one.id for one in shown] == ["1"]
    assert told(file, "") == [one for one in told(file, "") if ID in one]


def test_what_would_move_a_terminal_is_not_written_to_it(tmp_path: Path) -> None:
    hostile = said("continuo.node", {"stringValue": "\x1b]0;x\x07\nnode"})
    lines = told(kept(tmp_path, line(span("1", name="\x1b[31mred\n", **hostile))), TRACE)
    assert all(each.isprintable() for each in lines)
    assert "?[31mred?" in lines[-1]
    assert "node=?]0;x??node" in lines[-1]


def test_spans_that_are_below_themselves_stand_beside_the_root(tmp_path: Path) -> None:
    spans = (span("1", "2"), span("2", "1"), span("3", "2"), span("4", "4"), span("5"))
    [shown] = Collected(kept(tmp_path, line(*spans))).traces([TRACE])
    assert [root.span.id for root in tree(shown)] == ["1", "2", "4", "5"]
    assert len(drawn(shown)) == 4 + len(spans)


def test_a_tree_may_be_deeper_than_calls_may_be() -> None:
    chain = [
        Told(
            TRACE,
            str(at),
            str(at - 1) if at else "",
            "step",
            "conversation",
            "w",
            AT,
            AT + 1,
            {},
            (),
            failed=False,
        )
        for at in range(sys.getrecursionlimit() + 100)
    ]
    assert len(drawn(chain)) == 3 + 1 + len(chain)


def test_a_reader_that_has_gone_is_no_failure(tmp_path: Path) -> None:
    """As with `| head`."""
    file = kept(tmp_path, line(*(span(f"{at:x}") for at in range(2000))))
    command = [sys.executable, "-m", "services.local", "trace", TRACE, "--file", str(file)]
    with subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        complaint = running.stderr.read()
    assert (running.returncode, complaint) == (0, b"")
