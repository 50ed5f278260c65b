"""The live view: what goes on, drawn again and again until somebody presses q."""

from __future__ import annotations

import math
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import click

from trueup.cli_options import database_option, is_interactive, print_json, printable, single_keys

if TYPE_CHECKING:
    from rich.text import Text

    from trueup.operating.top import Frame, Watch

WIDE = 140
ORDERS = ("severity", "number", "change")
SEVERITIES = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
OUTCOMES = {
    "running": "bold",
    "failed": "bold red",
    "partial": "yellow",
    "abandoned": "yellow",
    "open": "bold red",
    "half_open": "yellow",
}
# a runner that has been silent for so many seconds hangs, or is gone
SILENT = 90.0


@click.command(
    epilog="\b\nExamples:\n  trueup top\n  trueup top --every 10s\n  trueup top --once\n\n"
    "Keys: q ends, p pauses, s sorts the alerts by severity, number or change."
)
@click.option("--every", default="2s", show_default=True, metavar="TIME", help="How often to look.")
@click.option("--once", is_flag=True, help="Print what goes on now, and end; works in a pipe.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For --once.")
@database_option
def top(every: str, once: bool, form: str, database: str | None) -> None:
    """Watch runs, open alerts, the queue, breakers, jobs and waits for locks, as they are now.

    Each look is one short transaction that reads and waits for nobody. Numbers of alerts
    have the change since the start beside them. A lost connection is said so, and opened
    again as soon as the server is back.
    """
    from trueup.durations import duration
    from trueup.errors import UsageError
    from trueup.operating.top import Watch

    seconds = duration(every).total_seconds()
    if form == "json" and not once:
        raise UsageError("--format json goes with --once")
    if not once and not is_interactive():
        raise UsageError("top draws on a terminal, and this is none; --once prints one look")
    watch = Watch(database)
    try:
        first = watch.look()
        if form == "json":
            print_json(first)
        elif once:
            _print(first)
        else:
            _Screen(watch, first, seconds).show()
    finally:
        watch.close()


def _print(frame: Frame) -> None:
    from rich.console import Console

    is_terminal = sys.stdout.isatty()
    console = Console(highlight=False) if is_terminal else Console(highlight=False, width=120)
    with console.capture() as captured:
        for line in drawn(frame, frame, width=console.width, height=None):
            console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


class _Screen:
    """The terminal while the view is open: keys, size, and the frames that a thread fetches."""

    def __init__(self, watch: Watch, first: Frame, seconds: float) -> None:
        self.watch = watch
        self.first = self.frame = first
        self.seconds = seconds
        self.is_paused = False
        self.order = ORDERS[0]
        self.trouble = ""

    def show(self) -> None:
        """Draw until q or Ctrl-C; the terminal is then as it was."""
        from rich.console import Console
        from rich.live import Live

        console = Console(highlight=False)
        with (
            suppress(KeyboardInterrupt),
            _keys() as wake,
            Live(console=console, screen=True, auto_refresh=False) as live,
        ):
            looks = _Looks(self.watch, wake[1])
            due = time.monotonic() + self.seconds
            while True:
                live.update(self._drawn(console), refresh=True)
                pause = None if looks.is_asked or self.is_paused else max(0.0, due - time.monotonic())
                if pause == 0:
                    looks.ask()
                    continue
                keys = _pressed(wake[0], pause)
                if "q" in keys or "\x03" in keys:
                    return
                if keys.count("p") % 2:
                    self.is_paused = not self.is_paused
                    due = time.monotonic()
                for _ in range(keys.count("s")):
                    self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]
                if answer := looks.answer():
                    due = time.monotonic() + self.seconds
                    self._take(answer)

    def _take(self, answer: Frame | Exception) -> None:
        if isinstance(answer, Exception):
            self.trouble = str(answer).splitlines()[0]
        else:
            self.frame, self.trouble = answer, ""

    def _drawn(self, console: Any) -> Any:
        from rich.console import Group

        lines = drawn(
            self.frame,
            self.first,
            width=console.width,
            height=console.height,
            order=self.order,
            every=self.seconds,
            is_paused=self.is_paused,
            trouble=self.trouble,
        )
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(*lines)


class _Looks:
    """Looks in a thread of its own: a server that does not answer must not hold up the keys."""

    def __init__(self, watch: Watch, wake: int) -> None:
        self.is_asked = False
        self._watch = watch
        self._wake = wake
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._answers: SimpleQueue[Frame | Exception] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def ask(self) -> None:
        """Begin a look."""
        self.is_asked = True
        self._asked.put(None)

    def answer(self) -> Frame | Exception | None:
        """Return what the look saw, or what ended it; None while it lasts."""
        if self._answers.empty():
            return None
        self.is_asked = False
        return self._answers.get()

    def _work(self) -> None:
        while True:
            self._asked.get()
            try:
                self._answers.put(self._watch.look())
            except Exception as error:  # whatever it is, the view says it and looks again
                self._answers.put(error)
            # the view may be closed by now
            with suppress(OSError):
                os.write(self._wake, b"\0")


@contextmanager
def _keys() -> Iterator[tuple[int, int]]:
    """Have the terminal hand over each key as it is pressed; give a pipe that wakes a waiting view."""
    import termios

    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    # the signal alone wakes the view, which asks for the new size
    resized = signal.signal(signal.SIGWINCH, lambda *_: None)
    try:
        with single_keys() as source:
            # Ctrl-Z would leave the shell with the screen of the view
            mode = termios.tcgetattr(source)
            mode[6][termios.VSUSP] = b"\0"
            termios.tcsetattr(source, termios.TCSANOW, mode)
            yield reading, writing
    finally:
        signal.signal(signal.SIGWINCH, resized)
        signal.set_wakeup_fd(woken)
        os.close(reading)
        os.close(writing)


def _pressed(wake: int, seconds: float | None) -> str:
    """Return the keys pressed within some seconds, or '' when something else ended the wait."""
    source = sys.stdin.fileno()
    ready, _, _ = select.select([source, wake], [], [], seconds)
    if wake in ready:
        with suppress(BlockingIOError):
            os.read(wake, 4096)
    if source not in ready:
        return ""
    # the end of the input is the end of the terminal
    return os.read(source, 64).decode(errors="replace") or "q"


def drawn(
    frame: Frame,
    first: Frame,
    *,
    width: int,
    height: int | None,
    order: str = ORDERS[0],
    every: float | None = None,
    is_paused: bool = False,
    trouble: str = "",
) -> list[Text]:
    """Return a frame as lines, `height` at most (None: all); changes are counted from the `first` frame."""
    head = _head(frame, every, is_paused, trouble)
    summary = [_alerts_line(frame, first), _queue_line(frame)]
    parts = [part for part in (_locks(frame), _circuits(frame), _runners(frame), _jobs(frame)) if part]
    runs = _runs(frame)
    alerts = _alerts(frame, first, order)
    top = [*head, *summary]
    if height is None:
        return [*top, *_joined([alerts, runs, *parts])]
    room = height - len(top)
    if width >= WIDE:
        left = _cut(alerts, room - 1)
        right = _joined(_shared([runs, *parts], room))
        return [*top, *_side_by_side(_joined([left]), right, width)][:height]
    return [*top, *_joined(_shared([alerts, runs, *parts], room))][:height]


def _shared(parts: list[list[Text]], room: int) -> list[list[Text]]:
    """Cut the parts to the room there is, the longest ones first; each has a blank line above it."""
    sizes = [len(part) for part in parts]
    while sum(sizes) + len(sizes) > room and max(sizes) > 2:
        sizes[sizes.index(max(sizes))] -= 1
    return [_cut(part, size) for part, size in zip(parts, sizes, strict=True)]


def _cut(part: list[Text], size: int) -> list[Text]:
    if len(part) <= size:
        return part
    more = len(part) - max(size, 2) + 1
    return [*part[: max(size - 1, 1)], _text(f"  … {more} more", "dim")]


def _joined(parts: Sequence[list[Text]]) -> list[Text]:
    return [line for part in parts for line in (_text(""), *part)]


def _side_by_side(left: list[Text], right: list[Text], width: int) -> list[Text]:
    half = width // 2
    lines = []
    for number in range(max(len(left), len(right))):
        line = left[number].copy() if number < len(left) else _text("")
        line.truncate(half - 2, overflow="ellipsis", pad=True)
        line.append("  ")
        if number < len(right):
            line.append_text(right[number])
        lines.append(line)
    return lines


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(printable(text), style=style)


def _joined_cells(*cells: tuple[str, str]) -> Text:
    """Return texts one after the other, each with its style."""
    line = _text("")
    for text, style in cells:
        line.append_text(_text(text, style))
    return line


def _row(*cells: tuple[str, int] | tuple[str, int, str]) -> Text:
    """Return cells of fixed widths, a negative width being aligned to the right; 0 is as long as it is."""
    line = _text("  ")
    for text, width, *style in cells:
        cell = _text(text)
        if width:
            cell.truncate(abs(width), overflow="ellipsis")
            cell.align("right" if width < 0 else "left", abs(width))
        if style and style[0]:
            cell.stylize(style[0])
        line.append_text(cell)
        line.append("  ")
    line.rstrip()
    return line


def _head(frame: Frame, every: float | None, is_paused: bool, trouble: str) -> list[Text]:
    facts = frame.facts
    now = f"{facts.now.astimezone():%H:%M:%S %Z}"
    line = _joined_cells(("trueup top", "bold"), (f"  {facts.database}, {facts.server}  {now}", ""))
    if every is not None:
        state = "paused" if is_paused else f"every {every:g} s"
        line.append_text(_text(f"  {state}  q ends, p pauses, s sorts", "dim"))
    if not trouble:
        return [line]
    return [line, _text(f"as it was; trying again: {trouble}", "bold red")]


def _alerts_line(frame: Frame, first: Frame) -> Text:
    line = _text("open alerts  ")
    for severity, style in SEVERITIES.items():
        now, then = (sum(a.alerts for a in each.alerts if a.severity == severity) for each in (frame, first))
        line.append_text(_text(f"{now:,} {severity}", style if now else ""))
        line.append_text(_text(f"{_signed(now - then)}   "))
    if frame.facts.rate is not None:
        line.append_text(_text(f"{frame.facts.rate} % consistent"))
    return line


def _queue_line(frame: Frame) -> Text:
    facts = frame.facts
    line = _text(f"queue        {facts.waiting:,} waiting, {facts.held:,} held, ")
    line.append_text(_text(f"{facts.overdue:,} overdue", "bold red" if facts.overdue else ""))
    if facts.snoozed:
        line.append_text(_text(f", {facts.snoozed:,} snoozed"))
    if facts.oldest:
        line.append_text(_text(f", the oldest {_age((facts.now - facts.oldest).total_seconds())}"))
    line.append_text(_text(f"   changes {facts.changes:,}"))
    if facts.changes_since:
        line.append_text(_text(f", since {_age((facts.now - facts.changes_since).total_seconds())}"))
    if not frame.circuits and facts.has_circuits:
        line.append_text(_text("   circuits closed"))
    return line


def _alerts(frame: Frame, first: Frame, order: str) -> list[Text]:
    before = {a.check_name: a.alerts for a in first.alerts}
    now = {a.check_name: a for a in frame.alerts}
    names = [*now, *(a.check_name for a in first.alerts if a.check_name not in now)]
    severity = {a.check_name: a.severity for a in (*first.alerts, *frame.alerts)}
    ranks = list(SEVERITIES)
    found = [
        (name, severity[name], now[name].alerts if name in now else 0, before.get(name, 0)) for name in names
    ]
    found.sort(
        key=lambda row: (
            {"severity": ranks.index(row[1]), "number": -row[2], "change": -abs(row[2] - row[3])}[order],
            ranks.index(row[1]),
            -row[2],
            row[0],
        )
    )
    title = _text(f"ALERTS by {order}", "bold")
    if not found:
        return [title, _text("  none")]
    return [
        title,
        *(
            _row((grade, 8, SEVERITIES[grade]), (name, 38), (f"{count:,}", -9), (_signed(count - then), -8))
            for name, grade, count, then in found
        ),
    ]


def _runs(frame: Frame) -> list[Text]:
    lines = [_text("RUNS", "bold")]
    for run in frame.runs:
        facts = f"{run.violations:,} violations"
        if run.opened or run.resolved:
            facts += f", +{run.opened:,} -{run.resolved:,}"
        if run.checks_failed:
            facts += f", {run.checks_failed} failed"
        lines.append(
            _row(
                (f"{run.id}", -6),
                (run.kind, 8),
                (run.status, 9, OUTCOMES.get(run.status, "")),
                (f"{run.started_at.astimezone():%m-%d %H:%M:%S}", 14),
                (_age(run.seconds), -7),
                (f"{run.checks} checks" if run.status == "running" else facts, 0),
            )
        )
    return lines if frame.runs else [*lines, _text("  none yet")]


def _circuits(frame: Frame) -> list[Text]:
    if not frame.circuits:
        return []
    now = frame.facts.now
    return [
        _text("CIRCUITS not closed, or ordered", "bold"),
        *(
            _row(
                (c.key, 38),
                (c.state, 9, OUTCOMES.get(c.state, "")),
                (c.mode if c.mode != "automatic" else "", 12),
                (f"for {_age((now - c.since).total_seconds())}, {c.failure_count} failures", 0),
            )
            for c in frame.circuits
        ),
    ]


def _jobs(frame: Frame) -> list[Text]:
    if not frame.jobs:
        return []
    return [
        _text("JOBS", "bold"),
        *(
            _row(
                (job.job, 20),
                (job.outcome, 9, OUTCOMES.get(job.outcome, "")),
                (f"slot {job.slot.astimezone():%m-%d %H:%M}", 16),
                (_age(job.seconds), -7),
            )
            for job in frame.jobs
        ),
    ]


def _runners(frame: Frame) -> list[Text]:
    title = _text("RUNNERS", "bold")
    if not frame.runners:
        return [title, _text("  none: nothing is scheduled here", "yellow")]
    return [
        title,
        *(
            _row(
                (f"{r.host}:{r.pid}", 38),
                (r.version, 9),
                (
                    f"heard of {_age(r.silent_seconds)} ago",
                    0,
                    "bold red" if r.silent_seconds > SILENT else "",
                ),
            )
            for r in frame.runners
        ),
    ]


def _locks(frame: Frame) -> list[Text]:
    if not frame.locks:
        return []
    return [
        _text("WAITING for a lock", "bold"),
        *(
            _row(
                (_age(lock.seconds), -7, "bold red" if lock.seconds > 3 else ""),
                (lock.relation, 28),
                (f"pid {lock.pid} {lock.username or ''} {lock.application}".rstrip(), 34),
                (f"behind {', '.join(map(str, lock.blockers))}", 0),
            )
            for lock in frame.locks
        ),
    ]


def _signed(number: int) -> str:
    return f" ({number:+,})" if number else ""


def _age(seconds: float | None) -> str:
    """Return a length of time in one or two words: 4.2 s, 3 min, 2 h, 5 d."""
    if seconds is None or math.isnan(seconds):
        return ""
    seconds = max(seconds, 0.0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
