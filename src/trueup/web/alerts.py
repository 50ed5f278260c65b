"""Alerts, and what people say about them."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.exceptions import BadRequest, NotFound

from trueup.errors import RefusedError
from trueup.packs import SEVERITIES
from trueup.store import translated
from trueup.web.context import database, signed_in
from trueup.web.forms import MOST, after, cursor, fresh, moment, text
from trueup.web.model import Alert, AlertCounts
from trueup.web.words import refusal

alerts = Blueprint("alerts", __name__, url_prefix="/alerts")

PAGE = 50
STATUSES = ("open", "acknowledged", "accepted", "snoozed", "resolved")
ACTIONS = ("acknowledge", "snooze", "accept")
ID = f"<int(max={MOST}):alert_id>"


@alerts.get("/")
@signed_in
def listed() -> ResponseReturnValue:
    """The alerts, filtered, a page of them."""
    asked = {
        "status": request.args.get("status") or "open",
        "check": request.args.get("check") or None,
        "severity": request.args.get("severity") or None,
        "company": request.args.get("company") or None,
    }
    if asked["status"] not in STATUSES or asked["severity"] not in (None, *SEVERITIES):
        raise BadRequest
    session = database()
    found = session.rows("web_alerts", Alert, **asked, limit=PAGE + 1, **after("gravity", "at", "id"))
    counts = session.row("web_alert_counts", AlertCounts)
    last = found[PAGE - 1] if len(found) > PAGE else None
    more = last and cursor(last.gravity, last.detected_at, last.id)
    found = found[:PAGE]
    return fresh(
        (found, counts),
        lambda: render_template(
            "alerts.html",
            alerts=found,
            counts=counts,
            asked=asked,
            more=more,
            statuses=STATUSES,
            severities=SEVERITIES,
        ),
    )


@alerts.get(f"/{ID}")
@signed_in
def one(alert_id: int) -> ResponseReturnValue:
    """One alert."""
    return _page(alert_id)


@alerts.post(f"/{ID}/<any({', '.join(ACTIONS)}):action>")
@signed_in
def act(alert_id: int, action: str) -> ResponseReturnValue:
    """Acknowledge, put off or accept an alert."""
    _alert(alert_id)
    until = moment() if action != "acknowledge" else None
    if action == "accept" and until is None:
        return _page(alert_id, refusal(action, RefusedError("", "TU005")), action)
    try:
        with translated(), database().transaction():
            database().value(
                "web_write_alert", action=action, alert_id=alert_id, note=text("note"), until=until
            )
    except RefusedError as error:
        if error.sqlstate in ("TU002", "TU006"):
            raise
        return _page(alert_id, refusal(action, error), action)
    flash(
        {
            "acknowledge": _("Alert %(id)s is acknowledged.", id=alert_id),
            "snooze": _("Alert %(id)s is put off.", id=alert_id),
            "accept": _(
                "Alert %(id)s is accepted; it comes back then, or when its evidence changes.", id=alert_id
            ),
        }[action]
    )
    return redirect(url_for("alerts.one", alert_id=alert_id), 303)


def _page(alert_id: int, error: str | None = None, tried: str | None = None) -> ResponseReturnValue:
    found = _alert(alert_id)

    def render() -> str:
        return render_template("alert.html", alert=found, error=error, tried=tried, given=request.form)

    return (render(), 422) if error else fresh(found, render)


def _alert(alert_id: int) -> Alert:
    found = database().row("web_alert", Alert, alert_id=alert_id)
    if found is None:
        raise NotFound
    return found
