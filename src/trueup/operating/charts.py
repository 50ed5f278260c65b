"""Where the lines, bars and labels of a chart stand: numbers for the templates, which draw them.

A chart is drawn twice, wide and narrow, and the style sheet shows the one that fits: text
in a drawing that is scaled down cannot be read on a phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from math import floor, log10
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from trueup.operating.report import Report

WIDE, NARROW = 760, 350
HEIGHT = 220
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 30
# pixels that a label of the time axis takes
LABEL = 64
# lowest rates that an axis begins at
FLOORS = (99.0, 98.0, 95.0, 90.0, 80.0, 50.0, 0.0)


@dataclass(frozen=True)
class Tick:
    """A label on an axis, at a place of it."""

    at: float
    label: str


@dataclass(frozen=True)
class Dot:
    """A measured point."""

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Bar:
    """A column; `kind` is new, reopened or resolved."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    label: str


@dataclass(frozen=True)
class Span:
    """A stretch of the time axis."""

    x: float
    width: float


@dataclass(frozen=True)
class Chart:
    """A drawing of `width` by `height`; lines are SVG paths, `base` is where columns stand."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    dots: tuple[Dot, ...] = ()
    bars: tuple[Bar, ...] = ()
    gaps: tuple[Span, ...] = ()
    base: float = 0.0


def trend(report: Report, width: int) -> Chart:
    """Return the rate over the period; the line is broken where runs are missing."""
    lowest = min((float(point.rate) for point in report.trend), default=0.0)
    floor_ = next(each for each in FLOORS if lowest >= each + (100 - each) * 0.08 or each == 0)
    box = _Box(report.since, report.until, width)

    def y(rate: float) -> float:
        return box.bottom - (rate - floor_) / (100 - floor_) * (box.bottom - box.top)

    dots = [
        Dot(
            box.x(point.measured_at),
            round(y(float(point.rate)), 1),
            f"{clock(point.measured_at)}: {point.rate} % of {point.population:,}, {point.wrong:,} not",
        )
        for point in report.trend
    ]
    parts: list[list[Dot]] = []
    gaps = []
    for point, dot in zip(report.trend, dots, strict=True):
        if not point.follows or not parts:
            if parts:
                gaps.append(Span(parts[-1][-1].x, round(dot.x - parts[-1][-1].x, 1)))
            parts.append([])
        parts[-1].append(dot)
    marks = [floor_, (floor_ + 100) / 2, 100]
    return Chart(
        width, HEIGHT, LEFT, width - RIGHT, TOP, HEIGHT - BOTTOM,
        x_ticks=box.ticks(),
        y_ticks=tuple(Tick(round(y(mark), 1), f"{mark:g} %") for mark in marks),
        lines=tuple(_path(part) for part in parts if len(part) > 1),
        areas=tuple(
            f"{_path(part)}L{part[-1].x} {box.bottom}L{part[0].x} {box.bottom}Z"
            for part in parts
            if len(part) > 1
        ),
        dots=tuple(dots),
        gaps=tuple(gaps),
    )  # fmt: skip


def flow(report: Report, width: int) -> Chart:
    """Return what opened, upward, and what was resolved, downward, in each step of the period."""
    step = timedelta(seconds=report.step_s)
    first = min((each.begins_at for each in report.flow), default=report.since)
    box = _Box(min(first, report.since), max(report.until, report.flow[-1].begins_at + step), width)
    highest = nice(max(max(each.new + each.reopened, each.resolved) for each in report.flow))
    has_resolved = any(each.resolved for each in report.flow)
    has_opened = any(each.new + each.reopened for each in report.flow)
    top, bottom = (highest if has_opened else 0), (highest if has_resolved else 0)
    scale = (box.bottom - box.top) / (top + bottom)
    base = round(box.top + top * scale, 1)
    wide = (box.right - box.left) / max((box.until - box.since) / step, 1)
    bars = []
    for each in report.flow:
        x = round(box.x(each.begins_at) + wide * 0.14, 1)
        thick = round(max(min(wide * 0.72, 44), 1.2), 1)
        x = round(x + max(wide * 0.72 - thick, 0) / 2, 1)
        at = stepped(each.begins_at, report.step_s)
        for kind, number, y in (
            ("new", each.new, base - each.new * scale),
            ("reopened", each.reopened, base - (each.new + each.reopened) * scale),
            ("resolved", each.resolved, base),
        ):
            if number:
                bars.append(
                    Bar(
                        x,
                        round(y, 1),
                        thick,
                        round(max(number * scale, 1), 1),
                        kind,
                        f"{at}: {number:,} {kind}",
                    )
                )
    ticks = [(top, base - top * scale)] if top else []
    ticks += [(0, base)] + ([(bottom, base + bottom * scale)] if bottom else [])
    return Chart(
        width, HEIGHT, LEFT, width - RIGHT, TOP, HEIGHT - BOTTOM,
        x_ticks=box.ticks(),
        y_ticks=tuple(Tick(round(at, 1), f"{number:,}") for number, at in ticks),
        bars=tuple(bars),
        base=base,
    )  # fmt: skip


def stepped(moment: datetime, seconds: float) -> str:
    """Return the name of a step of a period: its day, or its time."""
    step = timedelta(seconds=seconds)
    if step < timedelta(days=1):
        return clock(moment)
    return day(moment) if step == timedelta(days=1) else f"{step.days} days from {day(moment)}"


def clock(moment: datetime | None) -> str:
    """Return an instant to the minute, in the zone it bears."""
    return f"{moment.day} {moment:%b %Y, %H:%M}" if moment else "\N{EN DASH}"


def day(moment: datetime | None) -> str:
    """Return the day of an instant."""
    return f"{moment.day} {moment:%b %Y}" if moment else "\N{EN DASH}"


def nice(number: int) -> int:
    """Return the round number at or above: 1, 2, 3, 4, 5, 6, 8, 10 times a power of ten."""
    power = 10 ** floor(log10(max(number, 1)))
    return next(
        int(each * power)
        for each in (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
        if each * power >= number and each * power % 1 == 0
    )


class _Box:
    """The time axis."""

    def __init__(self, since: datetime, until: datetime, width: int) -> None:
        self.since, self.until = since, until
        self.left, self.right = float(LEFT), float(width - RIGHT)
        self.top, self.bottom = float(TOP), float(HEIGHT - BOTTOM)

    def x(self, moment: datetime) -> float:
        share = (moment - self.since) / (self.until - self.since)
        return round(self.left + min(max(share, 0), 1) * (self.right - self.left), 1)

    def ticks(self) -> tuple[Tick, ...]:
        """Return labels at whole days, or hours of a short period, that do not touch each other."""
        length = self.until - self.since
        room = max(int((self.right - self.left) / LABEL), 1)
        hours = [0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 72, 7 * 24, 14 * 24, 28 * 24, 56 * 24, 112 * 24, 364 * 24]
        width = next(
            (timedelta(hours=each) for each in hours if length / timedelta(hours=each) <= room), length
        )
        zone = self.since.tzinfo
        wall = datetime.combine(self.since.date(), time())
        at = wall.replace(tzinfo=zone) if isinstance(zone, ZoneInfo) else wall.astimezone()
        found: list[Tick] = []
        while at <= self.until and len(found) <= room:
            x = self.x(at)
            if at >= self.since and self.left + 14 <= x <= self.right - 16:
                label = f"{at.day} {at:%b}" if width >= timedelta(days=1) else f"{at:%H:%M}"
                found.append(Tick(x, label))
            if width < timedelta(days=1) or isinstance(zone, ZoneInfo):
                at += width
            else:
                # an offset of this machine's zone: that of another day may be another
                at = (at.replace(tzinfo=None) + width).astimezone()
        return tuple(found)


def _path(dots: Sequence[Dot]) -> str:
    return "M" + "L".join(f"{dot.x} {dot.y}" for dot in dots)
