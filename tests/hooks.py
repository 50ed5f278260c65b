"""An HTTP server for tests that answers as it is told, and keeps what it received."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook(ThreadingHTTPServer):
    """An HTTP server that answers as told: a status, or None for never; 200 when nothing is told."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[int | None] = []
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.server_port}/hook"

    def subjects(self) -> list[str]:
        """Return the subjects received so far, and forget what was received."""
        found = [json.loads(body)["subject"] for _, body in self.received]
        self.received.clear()
        return found


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        hook = self.server
        assert isinstance(hook, Hook)
        hook.received.append(
            (dict(self.headers), self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        )
        answer = hook.answers.pop(0) if hook.answers else 200
        if answer is None:
            hook.closing.wait()
            return
        self.send_response(answer)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Hook]:
    """Run an HTTP server."""
    hook = Hook()
    thread = threading.Thread(target=hook.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield hook
    hook.closing.set()
    hook.shutdown()
    hook.server_close()
    thread.join()
