"""What is only read: runs, guards, the report, the log of the console."""

from __future__ import annotations

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest, NotFound

from trueup.errors import NotFoundError
from trueup.operating.report import build, render
from trueup.web.context import configuration, database, give_back, me, signed_in
from trueup.web.forms import MOST, fresh
from trueup.web.model import Guard, LogLine, Result, Run

overview = Blueprint("overview", __name__)

PAGE = 50
# the report stands alone: its own styles, no script
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"
)


@overview.get("/runs")
@signed_in
def runs() -> ResponseReturnValue:
    """The latest runs."""
    changed = "changed" in request.args
    found = database().rows(
        "web_runs", Run, run_id=None, changed=changed, before_id=_before(), limit=PAGE + 1
    )
    more = found[PAGE - 1].id if len(found) > PAGE else None
    found = found[:PAGE]
    return fresh(found, lambda: render_template("runs.html", runs=found, changed=changed, more=more))


@overview.get(f"/runs/<int(max={MOST}):run_id>")
@signed_in
def run(run_id: int) -> ResponseReturnValue:
    """One run and its checks."""
    found = database().row("web_runs", Run, run_id=run_id, changed=True, before_id=None, limit=1)
    if found is None:
        raise NotFound
    results = database().rows("web_results", Result, run_id=run_id)
    return fresh((found, results), lambda: render_template("run.html", run=found, results=results))


@overview.get("/guards")
@signed_in
def guards() -> ResponseReturnValue:
    """The guards; their modes are for who runs the database."""
    found = database().rows("web_guards", Guard)
    return fresh(found, lambda: render_template("guards.html", guards=found))


@overview.get("/log")
@signed_in
def log() -> ResponseReturnValue:
    """Who did what in the console: your own lines, all of them for an admin."""
    found = database().rows("web_log", LogLine, before_id=_before(), limit=PAGE + 1)
    more = found[PAGE - 1].id if len(found) > PAGE else None
    return render_template("log.html", lines=found[:PAGE], more=more)


@overview.get("/report")
@signed_in
def report() -> ResponseReturnValue:
    """The report, of one company for who may not see all."""
    settings = configuration()
    if settings.report_database_url is None:
        raise NotFound
    company = request.args.get("company") or None
    companies = me().companies
    if companies is not None:
        company = company or companies[0]
        if company not in companies:
            raise NotFound
    give_back()
    try:
        made = build(
            database=settings.report_database_url,
            company=company,
            zone=settings.zone,
            timeout=settings.statement_timeout,
        )
    except NotFoundError:  # nothing was ever measured of this company
        raise NotFound from None
    response = make_response(render(made, "html"))
    response.headers["Content-Security-Policy"] = REPORT_POLICY
    return response


def _before() -> int | None:
    given = request.args.get("before")
    if not given:
        return None
    if not given.isascii() or not given.isdigit() or int(given) > MOST:
        raise BadRequest
    return int(given)
