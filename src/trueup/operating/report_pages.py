"""Print a report as HTML, Markdown and JSON.

Whatever comes out of the database is text: HTML escapes all of it and allows neither
scripts nor requests, Markdown spells what would be markup so that it is none.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from trueup.errors import UsageError
from trueup.operating import charts
from trueup.operating.report import FORMS, Report, counted, span
from trueup.rendering import as_json, plain

if TYPE_CHECKING:
    from jinja2 import Environment

# of the shape of the JSON: raised when a key goes or changes its meaning
FORMAT_VERSION = 1
# control characters, and those that turn the direction of the text around them
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MARKUP = str.maketrans(
    {
        "&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "#": "&#35;", "`": "&#96;", "|": "&#124;",
        "*": r"\*", "_": r"\_", "[": r"\[", "]": r"\]", "~": r"\~", "!": r"\!", "\\": "\\\\", "$": "&#36;",
        "\n": " ", "\r": " ", "\t": " ",
    }
)  # fmt: skip
LEVELS = {
    "good": "In order",
    "attention": "Some work is left",
    "bad": "Needs attention",
    "unknown": "Not known",
}
REPAIRS = {
    "automatic": "corrected automatically",
    "evidence": "corrected where there is proof, else a person decides",
    "review": "a person decides",
}
MODES = {
    "off": "does nothing",
    "observe": "lets the write through and opens an alert",
    "enforce": "refuses the write",
}
KINDS = {
    "full": "every check",
    "repair": "every check, then corrections",
    "changed": "what had changed",
    "selected": "some checks by name",
}
AGES = ("under 4 hours", "4 to 24 hours", "1 to 3 days", "3 to 7 days", "over 7 days")


def render(report: Report, form: str) -> str:
    """Return the report as html, md or json. Raises UsageError for another form."""
    if form == "json":
        return json_text(report)
    if form not in FORMS:
        raise UsageError(f"a report has no form {form}; the forms are {', '.join(FORMS)}")
    style = _template("report.css") if form == "html" else ""
    text = (
        _environment(form)
        .get_template(f"report.{form}.j2")
        .render(
            r=report,
            wide=charts.WIDE,
            narrow=charts.NARROW,
            levels=LEVELS,
            repairs=REPAIRS,
            modes=MODES,
            kinds=KINDS,
            ages=list(zip(AGES, report.queue.ages, strict=True)),
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        )
    )
    if form == "md":
        text = re.sub(r"\n{3,}", "\n\n", text)
    return text.strip() + "\n"


def json_text(report: Report) -> str:
    """Return the report as JSON; docs/report.md lists the keys."""
    return as_json({"format": "trueup report", "format_version": FORMAT_VERSION, **json_object(report)})


def json_object(report: Report) -> dict[str, Any]:
    """Return the report as JSON knows it, with what its properties say."""
    made: dict[str, Any] = plain(report)
    for check, shown in zip(report.checks, made["checks"], strict=True):
        shown["state"] = check.state
    made["totals"]["open"] = report.totals.open
    made["queue"]["in_time"] = plain(report.queue.in_time)
    return made


def _template(name: str) -> str:
    return (files("trueup") / "templates" / name).read_text(encoding="utf-8")


@cache
def _environment(form: str) -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    def safe(value: Any) -> Any:
        if not isinstance(value, str) or isinstance(value, Markup):
            return value
        cleaned = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", value)
        return markdown(cleaned) if form == "md" else cleaned

    environment = Environment(
        undefined=StrictUndefined,
        loader=FunctionLoader(_template),
        autoescape=form == "html",
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=safe,
    )
    environment.filters.update(
        clock=charts.clock,
        day=charts.day,
        number=lambda value: "\N{EN DASH}" if value is None else f"{value:,}",
        took=took,
        span=span,
        counted=counted,
        code=code,
        raw=Markup,
        inline=_inline if form == "html" else (lambda value: Markup(value)),
        stepped=charts.stepped,
    )
    environment.globals.update(trend=charts.trend, flow=charts.flow)
    return environment


def _inline(text: str) -> Any:
    """Return text of our own, with `commands` set as such."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def markdown(text: str) -> str:
    """Return text as Markdown that shows it: no markup, no HTML, no link, no mention."""
    return text.translate(_MARKUP).replace("://", "&#58;//").replace("www.", "www&#46;")


def code(text: str) -> Any:
    """Return a name as a code span of Markdown, which holds neither the end of one nor of a cell."""
    from markupsafe import Markup

    cleaned = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text).replace("`", "'").replace("|", r"\|")
    return Markup("`" + " ".join(cleaned.split()) + "`")


def took(milliseconds: float | None) -> str:
    """Return how long something took."""
    if milliseconds is None:
        return "\N{EN DASH}"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s" if milliseconds < 120_000 else span(milliseconds / 1000)
