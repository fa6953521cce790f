"""The folder everything on one machine keeps its things in: data of Redis, logs, traces, the secret, the
API's key, what is running.

Called by every command. The folder is `.continuo` where the command is typed, or CONTINUO_HOME. Must never
make the secret or the key readable for others.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from services.local import apikey
from services.local.ending import LocalError

API_KEYS_VARIABLE = "CONTINUO_API_KEYS_FILE"
OWN_BACK_END = "local"
SECRET_VARIABLE = "CONTINUO_TOKEN_HMAC_SECRET"  # noqa: S105 - the variable's name, not its value
DEFAULT_SERVERS = (
    "ws://127.0.0.1:8001/connection/websocket",
    "ws://127.0.0.1:8002/connection/websocket",
)


class InUseError(LocalError):
    """Another `continuo up` is running in this folder."""


@dataclass(frozen=True, slots=True)
class Running:
    """What `continuo up` last started here: where devices connect, and the Sentinels ("host:port,...")."""

    servers: list[str]
    sentinels: str


class Home:
    """The folder and the files in it; made on first use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Home":
        return cls(Path(environ.get("CONTINUO_HOME") or ".continuo"))

    @property
    def redis(self) -> Path:
        return self._made("redis")

    @property
    def logs(self) -> Path:
        return self._made("logs")

    @property
    def observed(self) -> Path:
        """What a Prometheus beside the services keeps."""
        return self._made("observed")

    @property
    def traces(self) -> Path:
        """The file that every process appends its spans to; not made here."""
        return self.folder / "traces.jsonl"

    def secret(self, environ: Mapping[str, str]) -> str:
        """The secret tokens are signed with: the environment's, else this folder's own, made once."""
        if given := environ.get(SECRET_VARIABLE):
            return given
        file = self._made(".") / "secret"
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return file.read_text().strip()
        with os.fdopen(descriptor, "w") as made:
            made.write(secrets.token_urlsafe(48))
        return file.read_text()

    def known_secret(self, environ: Mapping[str, str]) -> str:
        """As `secret`, for who only reads it: where nobody made one yet, a new one would open no door. Raises
        LocalError then.
        """
        if not environ.get(SECRET_VARIABLE) and not (self.folder / "secret").exists():
            raise LocalError(
                f"no `continuo up` was started in this folder, so there is no secret for tokens: go to its "
                f"folder, or set CONTINUO_HOME or {SECRET_VARIABLE}"
            )
        return self.secret(environ)

    def api_keys(self, environ: Mapping[str, str]) -> Path:
        """The file of back ends' keys: the environment's, else this folder's own, where the key that stands
        in `api_key` gets in. Where that is not there one is made, and its line put to the others.
        """
        if given := environ.get(API_KEYS_VARIABLE):
            return Path(given)
        file = self._made(".") / "api-keys"
        if not self.api_key.exists() or not file.exists():
            key, line = apikey.made(OWN_BACK_END)
            with os.fdopen(os.open(self.api_key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as made:
                made.write(key)
            with file.open("a") as lines:
                lines.write(f"{line}\n")
        return file

    @property
    def api_key(self) -> Path:
        """The key of `api_keys`, where that is this folder's own."""
        return self.folder / "api-key"

    def note(self, running: Running) -> None:
        """Writes down what runs, for the other commands."""
        (self._made(".") / "running.json").write_text(json.dumps(asdict(running)))

    def running(self) -> Running | None:
        """What was last started here; None when nothing was."""
        try:
            return msgspec.json.decode((self.folder / "running.json").read_bytes(), type=Running)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Holds the folder for one `continuo up`. Raises InUseError when another one has it."""
        with (self._made(".") / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InUseError(f"another `continuo up` is running in {self.folder}") from error
            yield

    def _made(self, part: str) -> Path:
        place = self.folder / part
        place.mkdir(parents=True, exist_ok=True)
        return place
