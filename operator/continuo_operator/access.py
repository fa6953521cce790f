"""Where the API server is and who we are: what kopf logged in with, and the account's newest token."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import kopf

ACCOUNT_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def credentials_found(environ: Mapping[str, str]) -> bool:
    """Whether kopf has anything to log in with; without it, it would wait for ever."""
    named = bool(environ.get("KUBECONFIG"))
    return named or ACCOUNT_FILE.exists() or Path("~/.kube/config").expanduser().exists()


class Access:
    """Filled by kopf's login; read at each request."""

    def __init__(self) -> None:
        self._info: kopf.ConnectionInfo | None = None
        self._ssl: ssl.SSLContext | None = None
        self._from_account = False

    def take(self, info: kopf.ConnectionInfo, *, from_account: bool = False) -> None:
        """Use these from now on; `from_account`: the token is in the account's file, which changes."""
        self._info = info
        self._from_account = from_account
        self._ssl = info.as_ssl_context() if info.server.startswith("https:") else None

    @property
    def known(self) -> bool:
        return self._info is not None

    @property
    def server(self) -> str:
        assert self._info is not None
        return self._info.server.rstrip("/")

    @property
    def tls(self) -> ssl.SSLContext | bool:
        return self._ssl if self._ssl is not None else True

    def headers(self) -> dict[str, str]:
        """The Authorization header; a service account's token is exchanged about every hour."""
        assert self._info is not None
        if self._from_account and ACCOUNT_FILE.exists():
            return {"Authorization": f"Bearer {ACCOUNT_FILE.read_text().strip()}"}
        return self._info.as_http_headers()
