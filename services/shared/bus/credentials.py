"""How a connection logs in to Redis: with the password as it is when the connection is opened.

Called by sentinel.py. Connections that are open stay logged in when a password changes, so a rotation is: let
Redis take the new one beside the old, change the file, take the old one away.
"""

from typing import Any

from redis.credentials import CredentialProvider

from services.shared.runtime.secret import Secret


class Credentials(CredentialProvider):
    """Asked by the library at every connect."""

    def __init__(self, password: Secret, username: str) -> None:
        self._password = password
        self._username = username

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """The arguments of AUTH."""
        password = self._password.reveal()
        return (self._username, password) if self._username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()


def login(password: Secret, username: str = "") -> dict[str, Any]:
    """Arguments of a client. Whether there is a password at all is settled here, at the start."""
    return {"credential_provider": Credentials(password, username)} if password else {}
