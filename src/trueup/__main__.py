"""The process `trueup`, or `python -m trueup`: what concerns it as a whole, and then the command line."""

from __future__ import annotations

import gc
import os
import signal
import sys

# objects that may be made before those are looked for that only point to each other
GARBAGE = 50_000


def main() -> None:
    """Run the command line as a process of its own."""
    # modules make no garbage: to look for it while they load, and at the end, is a fifth of a command
    gc.set_threshold(GARBAGE)
    sys.unraisablehook = _told_again
    # until the commands are there, an interrupt ends the process at once, and needs no words
    interrupted = signal.getsignal(signal.SIGINT)
    if interrupted is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from trueup import cli

    signal.signal(signal.SIGINT, interrupted)
    try:
        cli.main()
    finally:
        gc.freeze()


def _told_again(lost: sys.UnraisableHookArgs) -> None:
    """Have a signal told again that came while Python finished an object: what it raised is lost there."""
    if isinstance(lost.exc_value, KeyboardInterrupt | SystemExit):
        from threading import Timer

        number = signal.SIGINT if isinstance(lost.exc_value, KeyboardInterrupt) else signal.SIGTERM
        # by another thread and later, for here it would be lost again
        again = Timer(0.01, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(lost)


if __name__ == "__main__":
    main()
