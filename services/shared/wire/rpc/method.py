"""What is said of each RPC beside its name. Called by the modules of RPCs."""

from dataclasses import dataclass

import msgspec

from services.shared.model.position import Position
from services.shared.wire import codes
from services.shared.wire.codes import Fault


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC. `faults`: what it answers beside 100 (try again) and 107 (an argument is wrong)."""

    arguments: type[msgspec.Struct]
    result: type[msgspec.Struct]
    faults: tuple[Fault, ...]
    meaning: str


class Changed(msgspec.Struct):
    """Result of a change of members or settings, and of a deletion: where its event stands."""

    position: Position


MEMBERS_ONLY = (codes.PERMISSION_DENIED,)
