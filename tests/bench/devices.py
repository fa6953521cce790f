"""A thousand cheap devices in one process: raw sockets and epoll, counting bytes. Started by the bench.

It must not be the bottleneck: it looks at its sockets every few milliseconds and takes all there is, and
parses frames on the first socket only; the others must end with exactly as many bytes as that one.

Arguments: port, devices, a file with what each says first (a JSON list of lines for each device; devices
beyond its end begin again), frames to await (0: stay until stdin closes), path. Says JSON lines: `ready`,
then `done` with the monotonic time of the last byte.
"""

import base64
import json
import os
import select
import socket
import sys
import time
from pathlib import Path

PAUSE_S = 0.004
AT_ONCE = 50
PATIENCE_S = 60.0


def text_frame(text: bytes) -> bytes:
    """A masked text frame (mask of zeros), as clients must send."""
    if len(text) < 126:
        return bytes([0x81, 0x80 | len(text)]) + b"\0\0\0\0" + text
    return bytes([0x81, 0xFE]) + len(text).to_bytes(2, "big") + b"\0\0\0\0" + text


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """The payloads of the whole frames in `data`, and the rest."""
    payloads, at = [], 0
    while len(data) - at >= 2:
        size, start = data[at + 1] & 0x7F, at + 2
        if size == 126:
            size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
        elif size == 127:
            size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        if len(data) < start + size or len(data) < start:
            break
        payloads.append(data[start : start + size])
        at = start + size
    return payloads, data[at:]


def upgrade(port: int, path: str) -> bytes:
    """The request that opens a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
    return "\r\n".join(lines).encode()


def read_reply(device: socket.socket) -> bytes:
    """One frame's payload, of the blocking phase."""
    rest = b""
    while True:
        payloads, rest = split(rest)
        if payloads:
            assert not rest, rest
            return payloads[0]
        rest += device.recv(65536)


def arrive(port: int, count: int, path: str, says: list[list[str]]) -> list[socket.socket]:
    """Connect `count` devices; each sends every line of its part of `says` and awaits a reply to it."""
    devices = []
    for start in range(0, count, AT_ONCE):
        some = [socket.create_connection(("127.0.0.1", port)) for _ in range(min(AT_ONCE, count - start))]
        for device in some:
            device.settimeout(20)
            device.sendall(upgrade(port, path))
        for device in some:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += device.recv(1)
            assert b" 101 " in head.split(b"\r\n")[0], head
        for step in range(len(says[0])):
            for number, device in enumerate(some, start):
                device.sendall(text_frame(says[number % len(says)][step].encode()))
            for device in some:
                reply = read_reply(device)
                assert b'"error"' not in reply, reply
        devices += some
    return devices


def count_until(devices: list[socket.socket], frames: int) -> float:
    """Take all until each device has as many bytes as `frames` frames were on the first; when it was."""
    poll, got = select.epoll(), dict.fromkeys((device.fileno() for device in devices), 0)
    by_fd = {device.fileno(): device for device in devices}
    for device in devices:
        device.setblocking(False)
        poll.register(device, select.EPOLLIN)
    first, rest, seen, total, whole = devices[0].fileno(), b"", 0, 0, -1
    buffer = memoryview(bytearray(1 << 18))
    last = time.monotonic()
    deadline = last + PATIENCE_S
    while whole < 0 or total < whole:
        assert time.monotonic() < deadline, f"{seen} of {frames} frames on the first, {total} bytes"
        for fd, _ in poll.poll(1.0, len(devices)):
            size = by_fd[fd].recv_into(buffer)
            assert size, "the server closed a connection"
            got[fd] += size
            total += size
            if fd == first:
                payloads, rest = split(rest + bytes(buffer[:size]))
                seen += len(payloads)
                if seen == frames:
                    whole = got[fd] * len(devices)
        last = time.monotonic()
        time.sleep(PAUSE_S)
    assert set(got.values()) == {got[first]}, "devices got different numbers of bytes"
    return last


def main() -> None:
    """Be the devices."""
    port, count, says, frames, path = sys.argv[1:6]
    devices = arrive(int(port), int(count), path, json.loads(Path(says).read_text()))
    print(json.dumps({"ready": len(devices)}), flush=True)
    if int(frames):
        print(json.dumps({"done": count_until(devices, int(frames))}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
