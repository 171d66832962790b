"""A local server that takes spans as a collector does, and tells what it was sent."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Received:
    """One span, as it arrived."""

    def __init__(self, span: Any, scope: str) -> None:
        self.name, self.scope, self.id, self.trace = span.name, scope, span.span_id, span.trace_id
        self.parent, self.status, self.state = span.parent_span_id, span.status, span.trace_state
        self.events = list(span.events)
        self.about = {each.key: _value(each.value) for each in span.attributes}


class Collector:
    """POST /v1/traces on loopback. `bodies` are the bytes that came. `hang`: it takes them and never answers."""

    def __init__(self, *, hang: bool = False) -> None:
        self.bodies, self.service = list[bytes](), ""
        collector = self
        self.ended = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                collector.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                if hang:
                    collector.ended.wait(30)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def spans(self) -> list[Received]:
        found = []
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                about = {each.key: _value(each.value) for each in resource.resource.attributes}
                self.service = about["service.name"]
                for scope in resource.scope_spans:
                    found += [Received(span, scope.scope.name) for span in scope.spans]
        return found

    def wait(self, until: Callable[[list[Received]], Any], seconds: float = 10.0) -> list[Received]:
        deadline = time.monotonic() + seconds
        while not until(spans := self.spans()):
            assert time.monotonic() < deadline, [span.name for span in spans]
            time.sleep(0.05)
        return spans

    def close(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
