"""A sluice between the product and Label Studio: it holds one request, so that a process can be killed right there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import httpx

PATIENCE = 120.0
"""Seconds after which a request that should come is no longer expected, and a held one goes on."""
OWN_HEADERS = {"connection", "content-encoding", "content-length", "date", "server", "transfer-encoding"}


@dataclass
class Gate:
    """Holds the first request whose "METHOD /path" matches: before Label Studio sees it, or its answer."""

    pattern: re.Pattern[str]
    answered: bool
    reached: Event = field(default_factory=Event)
    opened: Event = field(default_factory=Event)

    def wait(self) -> None:
        """Wait until a request is held."""
        assert self.reached.wait(PATIENCE), f"no request {self.pattern.pattern}"

    def hold(self, line: str, *, answered: bool) -> None:
        """Called for every request, before and after Label Studio has answered."""
        if answered == self.answered and not self.reached.is_set() and self.pattern.match(line):
            self.reached.set()
            self.opened.wait(PATIENCE)


class Sluice:
    """A plain HTTP relay to `target` on a port of its own."""

    def __init__(self, target: str) -> None:
        self.gates: list[Gate] = []
        self.http = httpx.Client(base_url=target, timeout=120)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop relaying."""
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()
        self.http.close()

    @contextmanager
    def holding(self, pattern: str, *, answered: bool = False) -> Iterator[Gate]:
        """Hold the first request that matches until the block ends."""
        gate = Gate(re.compile(pattern), answered)
        self.gates.append(gate)
        try:
            yield gate
        finally:
            gate.opened.set()
            self.gates.remove(gate)

    def _pass(self, line: str, *, answered: bool) -> None:
        for gate in list(self.gates):
            gate.hold(line, answered=answered)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sluice = self

        class Relay(BaseHTTPRequestHandler):
            def relay(self) -> None:
                line = f"{self.command} {self.path}"
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {k: v for k, v in self.headers.items() if k.lower() not in {*OWN_HEADERS, "host"}}
                try:
                    sluice._pass(line, answered=False)
                    answer = sluice.http.request(self.command, self.path, headers=headers, content=body)
                    sluice._pass(line, answered=True)
                    self.reply(answer)
                except (OSError, httpx.HTTPError):
                    self.close_connection = True  # either side is gone: so it looks to the other one

            def reply(self, answer: httpx.Response) -> None:
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in OWN_HEADERS:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = relay  # noqa: N815 - named by the base class

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base class
                return

        return Relay
