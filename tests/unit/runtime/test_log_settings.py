"""Every service writes as many lines as it is told to, and in the style that it is told."""

from typing import Any

import pytest

from services.connection import app as connection
from services.conversation import app as conversation
from services.presence import app as presence
from services.shared.runtime import logging
from services.shared.runtime.lifecycle import Lifecycle

NEEDED = {"CONTINUO_REDIS_SENTINELS": "127.0.0.1:1", "CONTINUO_TOKEN_HMAC_SECRET": "x" * 32}


class ConfiguredError(Exception):
    """So far, and no further."""


@pytest.mark.parametrize("service", [connection, conversation, presence], ids=lambda each: each.__name__)
async def test_a_service_logs_as_its_environment_says(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}

    def configure(name: str, **facts: Any) -> None:
        told.update(facts)
        raise ConfiguredError(name)

    for variable, value in (
        NEEDED | {"CONTINUO_LOG_LEVEL": "warning", "CONTINUO_LOG_STYLE": "console"}
    ).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(logging, "configure", configure)
    with pytest.raises(ConfiguredError):
        await service.start(Lifecycle())
    assert (told["level"], told["style"]) == ("warning", "console")
