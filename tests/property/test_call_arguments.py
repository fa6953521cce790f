"""Whatever a client sends with an RPC: it is done with arguments of the right form, or refused by name, and
then nothing of it is done.
"""

import asyncio
import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.connection.core.effects import Call, Ref
from services.connection.core.events import Failed
from services.shared.model.errors import BusUnavailable
from services.shared.wire import rpc
from services.shared.wire.codes import BAD_REQUEST, INTERNAL
from tests.support.inbound import ANN, CID, Port, inbound

MID = "0198c2b0-0000-7000-8000-00000000000a"
LIKELY = st.sampled_from(
    [
        CID,
        MID,
        CID.upper(),
        CID + " ",
        "bob",
        "no one!",
        "",
        "reader",
        "king",
        0,
        1,
        -1,
        1 << 53,
        1 << 70,
        True,
    ]
)
ANYTHING = st.recursive(
    LIKELY
    | st.none()
    | st.booleans()
    | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PORTS = (
    "conversations",
    "members",
    "marks",
    "messages",
    "turns",
    "answers",
    "rewinds",
    "deletion",
    "receipts",
    "edits",
    "attendees",
)


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, bytes]:
    """A method, and arguments by its names or by others."""
    method = draw(st.sampled_from(sorted(rpc.METHODS)))
    names = rpc.METHODS[method].arguments.__struct_encode_fields__
    name = st.sampled_from([*names, "more"])
    arguments: Any = draw(st.dictionaries(name, ANYTHING, max_size=len(names) + 1) | ANYTHING)
    if isinstance(arguments, dict) and draw(st.booleans()):
        arguments["conversation"] = CID
    return method, json.dumps(arguments).encode()


@settings(max_examples=500, deadline=None)
@given(calls())
def test_a_call_is_done_whole_or_refused_by_name(call: tuple[str, bytes]) -> None:
    method, data = call
    ports = {name: Port(BusUnavailable("here the bus ends")) for name in PORTS}
    answer = asyncio.run(inbound(**ports).perform(Call(Ref(1), ANN, method, data)))
    touched = [port.calls for port in ports.values() if port.calls]
    try:
        msgspec.json.decode(data, type=rpc.METHODS[method].arguments)
    except msgspec.ValidationError:
        assert isinstance(answer, Failed)
        assert answer.fault.code == BAD_REQUEST.code
        assert "$" in answer.fault.message or "`" in answer.fault.message
        assert touched == []
    else:
        if isinstance(answer, Failed):
            assert answer.fault.code in (INTERNAL.code, BAD_REQUEST.code)
        assert len(touched) <= 1
