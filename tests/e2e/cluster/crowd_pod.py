"""Puts the crowd into the cluster, and reads what it says of itself."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import jwt

from tests.cluster.facts_driver import Facts
from tests.cluster.kinds import PODS, Kind
from tests.e2e.cluster.release import NAME, secret

CLIENTS = 100
CONFIG_MAPS = Kind("", "v1", "configmaps", "ConfigMap")
WITHIN_S = 900.0


class Crowd:
    """A hundred clients of one release, in its namespace."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    async def start(self) -> None:
        """Returns once all are connected."""
        tokens = [
            jwt.encode({"sub": f"user-{n}", "exp": time.time() + 3600}, secret(), "HS256")
            for n in range(CLIENTS)
        ]
        script = (Path(__file__).parent / "crowd.py").read_text(encoding="utf-8")
        data = {"crowd.py": script, "tokens.json": json.dumps(tokens)}
        await self._facts.create(CONFIG_MAPS, {"metadata": {"name": "crowd"}, "data": data})
        await self._facts.create(PODS, {"metadata": {"name": "crowd"}, "spec": self._spec()})
        await self.until(lambda says: bool(says.get("up") == CLIENTS))

    async def until(self, holds: Any) -> dict[str, Any]:
        """Wait for a line of which this holds."""
        end = asyncio.get_running_loop().time() + WITHIN_S
        while True:
            says = await self.says()
            if says and holds(says):
                return says
            assert asyncio.get_running_loop().time() < end, says
            await self._facts.road.rest()

    async def says(self) -> dict[str, Any]:
        """Its last line; empty before the first."""
        text = await self._facts.text(self._facts.path(PODS, "crowd", "log"), tailLines="1")
        try:
            return dict(json.loads(text))
        except ValueError:
            return {}

    def _spec(self) -> dict[str, Any]:
        prefix, _, tag = os.environ["CONTINUO_E2E_IMAGES"].rpartition(":")
        url = f"ws://{NAME}-connection/connection/websocket"
        return {
            "containers": [
                {
                    "name": "crowd",
                    "image": f"{prefix}continuo-tools:{tag}",
                    "command": ["python", "/crowd/crowd.py", url, "/crowd/tokens.json"],
                    "volumeMounts": [{"name": "crowd", "mountPath": "/crowd"}],
                }
            ],
            "volumes": [{"name": "crowd", "configMap": {"name": "crowd"}}],
            "terminationGracePeriodSeconds": 1,
        }
