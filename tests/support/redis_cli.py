"""What the chart's scripts need of `redis-cli`, where no Redis tools are installed: one command, its answer
in plain lines.

Run by the scripts (REDIS_CLI) in tests, as a program: `redis_cli.py -h HOST -p PORT COMMAND...`. It imports
nothing of ours, so that it starts in milliseconds. Its words for what fails are redis-cli's own, as the
scripts read them.
"""

import socket
import sys
from typing import BinaryIO


def answer(stream: BinaryIO) -> list[str]:
    """One reply as the lines that redis-cli prints when nobody watches."""
    head = stream.readline().rstrip(b"\r\n").decode()
    kind, rest = head[:1], head[1:]
    if kind == "*":
        return [line for _ in range(int(rest)) for line in answer(stream)]
    if kind == "$":
        return [stream.read(int(rest) + 2)[:-2].decode()] if int(rest) >= 0 else [""]
    return [rest]


def main(given: list[str]) -> int:
    flag_host, host, flag_port, port, *command = given
    assert (flag_host, flag_port) == ("-h", "-p")
    try:
        link = socket.create_connection((host, int(port)))
    except OSError as error:
        print(f"Could not connect to Redis at {host}:{port}: {error.strerror}", file=sys.stderr)
        return 1
    with link, link.makefile("rb") as stream:
        words = [word.encode() for word in command]
        link.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))
        print("\n".join(answer(stream)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
