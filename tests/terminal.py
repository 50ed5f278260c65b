"""A command on a terminal of its own: what it draws, the keys it is given, and what it leaves behind."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from contextlib import suppress
from types import TracebackType

from helpers import TRUEUP

_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r")
ENTERED, LEFT = "\x1b[?1049h", "\x1b[?1049l"


class Terminal:
    """`trueup` with words, on a pseudo-terminal; a context manager, which ends it."""

    def __init__(self, *words: str, url: str, rows: int = 24, columns: int = 80, **environment: str) -> None:
        self.master, self.slave = pty.openpty()
        self.raw = ""
        self._read_to = 0
        self.before = termios.tcgetattr(self.slave)
        self._set_size(rows, columns)
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("PG", "TRUEUP_", "COLUMNS", "LINES"))
        }
        self.process = subprocess.Popen(
            [TRUEUP, *words],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**kept, "TERM": "xterm-256color", "TRUEUP_DATABASE_URL": url, **environment},
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    @property
    def text(self) -> str:
        """What was drawn so far, without what steers the terminal."""
        return _STEERING.sub("", self.raw)

    def until(self, text: str, seconds: float = 30) -> str:
        """Wait for a text that was not waited for before; return what was drawn up to it."""
        deadline = time.monotonic() + seconds
        while (found := self.text.find(text, self._read_to)) < 0:
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.text[self._read_to :]}"
            assert self._pump() or self.process.poll() is None, f"ended without {text!r}:\n{self.text}"
        start, self._read_to = self._read_to, found + len(text)
        return self.text[start : self._read_to]

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.master, keys.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Change the size, as a window does."""
        self._set_size(rows, columns)
        self.process.send_signal(signal.SIGWINCH)

    def end(self, seconds: float = 30) -> int:
        """Wait for the end; return the exit code. The terminal must be as it was."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"does not end:\n{self.text}"
            self._pump()
        while self._pump():
            pass
        assert termios.tcgetattr(self.slave) == self.before, "the terminal is not as it was"
        assert self.raw.rfind(ENTERED) <= self.raw.rfind(LEFT), "the other screen is still there"
        return self.process.returncode

    def _pump(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], 0.1)
        if ready:
            with suppress(OSError):
                self.raw += os.read(self.master, 65536).decode(errors="replace")
        return bool(ready)

    def _set_size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
