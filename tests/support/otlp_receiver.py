"""A collector on this machine: OTLP over gRPC and HTTP, real protobuf on real sockets. Keeps what it gets.

    with OtlpReceiver() as receiver:
        environ |= receiver.environ("grpc")
        ...
        await receiver.until(lambda told: told.named("message.deliver"))
        assert receiver.orphans(trace) == []

It can be told to refuse, or to take a request and never answer. What it keeps is `told_spans.Spans`.
"""

import gzip
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")  # tests start processes; its core remarks on each

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from tests.support.told_spans import Spans

Protocol = Literal["grpc", "http/protobuf"]
Manner = Literal["well", "refuse", "hang"]
LATER = 0.5
"""Seconds grpc gives calls under way at its end."""


class OtlpReceiver(Spans):
    """Listens on two free ports from `with` on. Safe to read while spans arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.manner: Manner = "well"
        self.requests: Counter[Protocol] = Counter()
        """How often it was asked, answered or not."""
        self.headers: list[dict[str, str]] = []
        self.raw: list[str] = []
        """All that it took, every field of it, as text."""
        self._lock = threading.Lock()
        self._let_go = threading.Event()
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="otlp")
        self._grpc = grpc.server(self._pool)
        add_TraceServiceServicer_to_server(_Grpc(self), self._grpc)
        self.grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")
        self._http = _Http(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._grpc.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()
        self._grpc.stop(LATER).wait()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self._pool.shutdown()

    @property
    def http_port(self) -> int:
        return self._http.server_port

    def endpoint(self, protocol: Protocol) -> str:
        """The base address for one protocol."""
        return f"http://127.0.0.1:{self.grpc_port if protocol == 'grpc' else self.http_port}"

    def environ(self, protocol: Protocol = "grpc", *, ratio: float = 1.0) -> dict[str, str]:
        """What a service needs to be told to send its spans here."""
        return {
            "CONTINUO_TRACES": "otlp",
            "CONTINUO_TRACES_RATIO": str(ratio),
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint(protocol),
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        }

    def let_go(self) -> None:
        """End every request that hangs."""
        self._let_go.set()

    def answer(self, protocol: Protocol, request: ExportTraceServiceRequest, headers: dict[str, str]) -> bool:
        """Keep what was sent, unless told otherwise; whether it was taken."""
        with self._lock:
            self.requests[protocol] += 1
            self.headers.append(headers)
        if self.manner == "hang":
            self._let_go.wait()
            return False
        if self.manner == "refuse":
            return False
        with self._lock:
            self.raw.append(str(request))
            self.take(request)
        return True


class _Grpc(TraceServiceServicer):
    def __init__(self, receiver: OtlpReceiver) -> None:
        self._receiver = receiver

    def Export(  # noqa: N802 - the protocol's name
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        headers = {str(key): str(value) for key, value in context.invocation_metadata()}
        if not self._receiver.answer("grpc", request, headers):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not here")
        return ExportTraceServiceResponse()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, receiver: OtlpReceiver) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.receiver = receiver

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may go at any time."""


class _Handler(BaseHTTPRequestHandler):
    server: _Http

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path != "/v1/traces" or self.headers["content-type"] != "application/x-protobuf":
            self._reply(404)
            return
        headers = {key.lower(): value for key, value in self.headers.items()}
        taken = self.server.receiver.answer(
            "http/protobuf", ExportTraceServiceRequest.FromString(body), headers
        )
        self._reply(200 if taken else 403)

    def _reply(self, status: int) -> None:
        body = ExportTraceServiceResponse().SerializeToString() if status == 200 else b"not here"
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing."""
