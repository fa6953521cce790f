"""Speaks to the pods' admin ports. The token is read anew at each request, so it can be changed under way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from continuo_operator.ports import AdminError, Door
from continuo_operator.snapshot import Report

WITHIN_S = 2.0
"""A pod that needs longer for one small answer is unknown."""


class AdminClient:
    """The `Admin` port over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, token_file: str) -> None:
        self._session = session
        self._token_file = token_file

    async def status(self, door: Door) -> Report:
        return await self._call("GET", door, "/status", None)

    async def drain(self, door: Door, *, plan: str, within_s: float) -> Report:
        return await self._call("POST", door, "/drain", {"plan": plan, "within_s": within_s})

    async def undrain(self, door: Door, *, plan: str) -> Report:
        return await self._call("POST", door, "/undrain", {"plan": plan})

    async def _call(self, method: str, door: Door, path: str, body: Mapping[str, Any] | None) -> Report:
        host = f"[{door.ip}]" if ":" in door.ip else door.ip
        url = f"http://{host}:{door.port}{path}"
        try:
            headers = {"Authorization": f"Bearer {self._token()}"}
            timeout = aiohttp.ClientTimeout(total=WITHIN_S)
            async with self._session.request(
                method, url, json=body, headers=headers, timeout=timeout
            ) as said:
                if said.status != 200:
                    raise AdminError(f"{door.pod} answered {said.status} to {path}", said.status)
                return msgspec.json.decode(await said.read(), type=Report)
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as fault:
            raise AdminError(f"{door.pod} did not answer {path}: {fault!r}") from fault

    def _token(self) -> str:
        """The file's first line that is not empty; any of them is good for the pods."""
        lines = Path(self._token_file).read_text().splitlines() if self._token_file else []
        return next((line.strip() for line in lines if line.strip()), "")
