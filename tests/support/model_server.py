"""A language model's HTTP API on this machine: OpenAI-compatible chat completions, streamed, for the real
client.

It speaks the streaming format byte for byte (server-sent events, a first chunk with the role, one chunk a
token, a last one with usage, `[DONE]`), and misbehaves on request: a status instead of an answer, a
connection cut in mid-answer. As the real ones it refuses messages in which a tool call is not answered.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self


@dataclass
class Answer:
    """What the server says next: tokens, then usage; or a status with an error; or tokens and a cut
    connection.
    """

    tokens: Sequence[str] = ("Hello", " there", ".")
    status: int = 200
    error: str = "no"
    """What it says beside such a status."""
    cut_after: int | None = None
    """Break off before this token; behind the tokens, before that piece of the calls' arguments."""
    breaks: Literal["socket", "error", "end"] = "socket"
    """How: the connection, by an error amid the stream, or by its end as if that were all."""
    finish: str = ""
    """Its reason for an end; else the usual one."""
    hold_after: int | None = None
    """Wait for `ModelServer.go_on` before this token."""
    pace_s: float = 0.0
    """What it takes for each token."""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    """Tools that it calls, with their arguments, behind what it says."""


@dataclass
class ModelServer:
    """`async with ModelServer() as server:`; `server.base_url` goes into OPENAI_BASE_URL."""

    answers: deque[Answer] = field(default_factory=deque)
    decide: Callable[[Sequence[Mapping[str, Any]]], Answer] = field(default=lambda _: Answer())
    """What it says to messages for which nothing is queued."""
    requests: list[Mapping[str, Any]] = field(default_factory=list)
    """Bodies of the requests, in order."""
    headers: list[Mapping[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Why requests were refused."""
    counts: bool = False
    """Tell usage also who does not ask: the client asks at its own house only."""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    written: int = 0
    """Tokens that it has said, in all."""
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def base_url(self) -> str:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}/v1"

    def will_say(self, *tokens: str) -> None:
        """Queue an answer; without one the server says "Hello there."."""
        self.answers.append(Answer(tokens))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            self.requests.append(body)
            self.headers.append(headers)
            if fault := refusal(body["messages"]):
                self.refused.append(fault)
                await self._answer(writer, body, Answer(status=400))
                return
            answer = self.answers.popleft() if self.answers else self.decide(body["messages"])
            await self._answer(writer, body, answer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, body: Mapping[str, Any], answer: Answer) -> None:
        if answer.status != 200:
            error = json.dumps(
                {"error": {"message": answer.error, "type": "t", "code": str(answer.status)}}
            ).encode()
            writer.write(_head(answer.status, "application/json", len(error)) + error)
            await writer.drain()
            return
        writer.write(_head(200, "text/event-stream"))
        for number, token in enumerate(answer.tokens):
            if number == answer.hold_after:
                await self.go_on.wait()
            if number == answer.cut_after:
                await _break_off(writer, answer)
                return
            if answer.pace_s:
                await asyncio.sleep(answer.pace_s)
            delta = {"content": token} | ({"role": "assistant"} if number == 0 else {})
            writer.write(_event(_chunk(body, [{"index": 0, "delta": delta, "finish_reason": None}])))
            await writer.drain()
            self.written += 1
        for number, delta in enumerate(_calling(answer.calls, len(self.requests)), len(answer.tokens)):
            if number == answer.hold_after:
                await self.go_on.wait()
            if number == answer.cut_after and not answer.finish:
                await _break_off(writer, answer)
                return
            if number == answer.cut_after:
                break
            writer.write(_event(_chunk(body, [{"index": 0, "delta": delta, "finish_reason": None}])))
        reason = answer.finish or ("tool_calls" if answer.calls else "stop")
        writer.write(_event(_chunk(body, [{"index": 0, "delta": {}, "finish_reason": reason}])))
        if self.counts or (body.get("stream_options") or {}).get("include_usage"):
            count = len(answer.tokens)
            usage = {"prompt_tokens": 7, "completion_tokens": count, "total_tokens": 7 + count}
            writer.write(_event(_chunk(body, []) | {"usage": usage}))
        writer.write(_piece(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()


async def _break_off(writer: asyncio.StreamWriter, answer: Answer) -> None:
    await writer.drain()
    if answer.breaks == "socket":
        writer.transport.abort()
        return
    error = {"error": {"message": f"{answer.error} now", "type": answer.error, "code": None}}
    last = _event(error) if answer.breaks == "error" else b""
    writer.write(last + b"0\r\n\r\n")
    await writer.drain()


def refusal(messages: Sequence[Mapping[str, Any]]) -> str:
    """Why the API does not take messages: a tool call without its answer, or an answer without its call; ""
    when it does.
    """
    owed: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in owed:
                return (
                    "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'"
                )
            owed.remove(message["tool_call_id"])
        elif owed:
            break
        else:
            owed = [call["id"] for call in message.get("tool_calls") or ()]
    return f"tool_call_ids did not have response messages: {', '.join(owed)}" if owed else ""


def _calling(calls: Sequence[tuple[str, Mapping[str, Any]]], request: int) -> list[dict[str, Any]]:
    """Deltas of tool calls: a first one with id and name, then the arguments' text in pieces."""
    deltas: list[dict[str, Any]] = []
    for place, (name, arguments) in enumerate(calls):
        function = {"name": name, "arguments": ""}
        named = {"index": place, "id": f"call_{request}_{place}", "type": "function", "function": function}
        text = json.dumps(arguments)
        pieces = [text[at : at + 5] for at in range(0, len(text), 5)]
        deltas.append({"role": "assistant", "content": None, "tool_calls": [named]})
        deltas += [{"tool_calls": [{"index": place, "function": {"arguments": piece}}]} for piece in pieces]
    return deltas


def _head(status: int, kind: str, length: int | None = None) -> bytes:
    size = "transfer-encoding: chunked\r\n" if length is None else f"content-length: {length}\r\n"
    return f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{size}connection: close\r\n\r\n".encode()


def _event(chunk: Mapping[str, Any]) -> bytes:
    return _piece(b"data: " + json.dumps(chunk).encode() + b"\n\n")


def _piece(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _chunk(body: Mapping[str, Any], choices: list[dict[str, Any]]) -> dict[str, Any]:
    kind = "chat.completion.chunk"
    return {
        "id": "chatcmpl-1",
        "object": kind,
        "created": 1,
        "model": body["model"],
        "choices": choices,
        "usage": None,
    }
