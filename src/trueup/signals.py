"""Which signals tell a process to end."""

from __future__ import annotations

import signal


def ending() -> tuple[signal.Signals, ...]:
    """Return the signals that ask this process to end, and let it finish what it must.

    SIGHUP, which a terminal sends when it is closed, is one of them unless it is ignored, as by nohup.
    """
    asked = (signal.SIGTERM, signal.SIGINT)
    return asked if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*asked, signal.SIGHUP)
