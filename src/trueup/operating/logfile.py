"""The log as a file; apart from `logs`, because few commands log to one, and its import takes long."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from logging.handlers import WatchedFileHandler
from pathlib import Path

from trueup.errors import UsageError


class File(WatchedFileHandler):
    """Writes to a file, and to a new one when that was moved away by logrotate.

    The first event that it does not take is told on standard error, so that the end of a log is seen.
    """

    def __init__(self, path: Path) -> None:
        self._has_told = False
        try:
            super().__init__(path, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"log.file: {path}: cannot be written: {error.strerror}") from None

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            super().emit(record)
        except OSError:  # no new file could be opened
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say once that events are lost, and why."""
        error = sys.exc_info()[1]
        if self._has_told or sys.stderr is None:
            return
        self._has_told = True
        reason = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        with suppress(OSError, ValueError):
            sys.stderr.write(
                f"trueup: log.file: {self.baseFilename}: cannot be written, events are lost: {reason}\n"
            )
