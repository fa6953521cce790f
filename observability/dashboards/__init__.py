"""The seven dashboards, each a module with its `BOARD`."""

from __future__ import annotations

from observability.dashboards import (
    connections,
    conversations,
    delivery,
    operator,
    overview,
    presence,
    redis,
)
from observability.panels import Board

BOARDS: tuple[Board, ...] = (
    overview.BOARD,
    connections.BOARD,
    conversations.BOARD,
    delivery.BOARD,
    redis.BOARD,
    presence.BOARD,
    operator.BOARD,
)
