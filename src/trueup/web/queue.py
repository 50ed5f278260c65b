"""The queue, one item, and what is done with it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from markupsafe import Markup, escape
from werkzeug.exceptions import BadRequest, NotFound

from trueup.errors import RefusedError, TrueupError
from trueup.packs import SEVERITIES
from trueup.store import translated
from trueup.web.context import database, is_poll, me, signed_in
from trueup.web.forms import MOST, after, cursor, fresh, moment, text
from trueup.web.model import Counts, Event, Item, Matter, Preview, Row
from trueup.web.words import refusal

queue = Blueprint("queue", __name__)

PAGE = 50
STATUSES = ("open", "snoozed", "resolved", "dismissed")
ACTIONS = ("claim", "extend", "release", "resolve", "repair", "dismiss", "snooze", "reassign", "reopen")
# after these the person goes on with the queue
CLOSING = ("resolve", "repair", "dismiss", "snooze", "reassign", "release")
ID = f"<int(max={MOST}):item_id>"


@queue.get("/")
@signed_in
def items() -> ResponseReturnValue:
    """The queue, filtered, a page of it."""
    asked = {
        "status": request.args.get("status") or "open",
        "reason": request.args.get("reason") or None,
        "severity": request.args.get("severity") or None,
        "priority": request.args.get("priority") or None,
        "company": request.args.get("company") or None,
        "mine": "mine" in request.args,
        "overdue": "overdue" in request.args,
    }
    if asked["status"] not in STATUSES or asked["severity"] not in (None, *SEVERITIES):
        raise BadRequest
    if asked["priority"] not in (None, "1", "2", "3", "4", "5"):
        raise BadRequest
    session = database()
    is_open = asked["status"] in ("open", "snoozed")
    found = session.rows(
        "web_queue" if is_open else "web_decided",
        Item,
        **{key: value for key, value in asked.items() if key not in ("status", "overdue")},
        **(
            {"overdue": asked["overdue"], "snoozed": asked["status"] == "snoozed"}
            if is_open
            else {"status": asked["status"]}
        ),
        name=me().name,
        limit=PAGE + 1,
        **after("priority", "due", "id"),
    )
    shown = ["pending", "in_progress"] if is_open else [asked["status"]]
    counts = session.row("web_queue_counts", Counts, name=me().name, shown=shown)
    assert counts is not None
    more = _cursor(found[PAGE - 1]) if len(found) > PAGE else None
    found = found[:PAGE]
    return fresh(
        (found, counts),
        lambda: render_template(
            "queue.html", items=found, counts=counts, asked=asked, more=more, severities=SEVERITIES
        ),
    )


@queue.get(f"/items/{ID}")
@signed_in
def item(item_id: int) -> ResponseReturnValue:
    """One item, with all there is to decide by."""
    return _page(item_id)


@queue.post("/items/next")
@signed_in
def claim_next() -> ResponseReturnValue:
    """Claim the item that is next."""
    claimed = _written("claim", None, company=text("company"))
    if claimed is None:
        flash(_("Nothing waits for you."))
        return redirect(url_for("queue.items"), 303)
    return redirect(url_for("queue.item", item_id=claimed), 303)


@queue.post(f"/items/{ID}/<any({', '.join(ACTIONS)}):action>")
@signed_in
def act(item_id: int, action: str) -> ResponseReturnValue:
    """Do one thing with an item, under the token of the claim."""
    before = _item(item_id)
    if action == "claim" and before.held and before.token is not None:
        # claimed twice by a second click
        return redirect(url_for("queue.item", item_id=item_id), 303)
    try:
        # until: a moment that cannot be read is one that is refused
        _written(
            action,
            item_id,
            token=_token(),
            note=text("note"),
            until=moment() if action == "snooze" else None,
            to=text("to"),
        )
    except RefusedError as error:
        return _refused(item_id, action, error)
    if action != "claim":
        flash(_said(action, item_id))
    if action in CLOSING:
        return redirect(url_for("queue.items"), 303)
    return redirect(url_for("queue.item", item_id=item_id), 303)


def _page(item_id: int, error: str | None = None, tried: str | None = None) -> ResponseReturnValue:
    """Return the page of an item; with an error, what was typed stands in the form again."""
    session = database()
    found = _item(item_id)
    matter = session.row("web_matter", Matter, item_id=item_id)
    assert matter is not None
    history = session.rows("web_history", Event, item_id=item_id)
    rows = session.rows("web_rows", Row, item_id=item_id)
    holds = found.token is not None and found.held

    def render() -> str:
        preview = None
        if holds and matter.repairable and matter.violated and me().writes and not is_poll():
            preview = _preview(found)
        return render_template(
            "item.html",
            item=found,
            matter=matter,
            history=history,
            rows=rows,
            holds=holds,
            preview=preview,
            reviewers=session.values("web_reviewers", item_id=item_id) if me().writes else [],
            error=error,
            tried=tried,
            given=request.form,
        )

    if error:
        return render(), 422
    return fresh((found, matter, history, rows), render)


def _preview(found: Item) -> Preview | None:
    """Return what the repair would do; None when it cannot be said now."""
    try:
        with translated(), database().transaction():
            return database().row("web_preview", Preview, item_id=found.id, token=found.token)
    except TrueupError:
        return None


def _item(item_id: int) -> Item:
    found = database().row("web_item", Item, item_id=item_id)
    if found is None:
        raise NotFound
    return found


def _written(action: str, item_id: int | None, **given: Any) -> int | None:
    """Do it; return the item. What is refused leaves the transaction of the request as it was."""
    arguments = {"token": None, "note": None, "until": None, "to": None, "company": None}
    with translated(), database().transaction():
        done: int | None = database().value(
            "web_write", action=action, item_id=item_id, **{**arguments, **given}
        )
    return done


def _refused(item_id: int, action: str, error: RefusedError) -> ResponseReturnValue:
    if error.sqlstate in ("TU002", "TU006"):
        raise error
    if error.sqlstate in ("TU004", "TU005"):
        return _page(item_id, refusal(action, error), action)
    # somebody else was quicker, or the claim ran out: what happened, and what was typed
    page = render_template(
        "conflict.html",
        item=_item(item_id),
        history=database().rows("web_history", Event, item_id=item_id)[:5],
        action=action,
        given=request.form,
    )
    return page, 409


def _said(action: str, item_id: int) -> Markup:
    link = Markup('<a href="{}">{}</a>').format(
        url_for("queue.item", item_id=item_id), _("Item %(id)s", id=item_id)
    )
    said = {
        "extend": _("%(item)s is yours for longer.", item="{}"),
        "release": _("%(item)s is free again.", item="{}"),
        "resolve": _("%(item)s is resolved.", item="{}"),
        "repair": _("%(item)s is repaired and resolved.", item="{}"),
        "dismiss": _("%(item)s is dismissed; it comes back when its evidence changes.", item="{}"),
        "snooze": _("%(item)s is put off.", item="{}"),
        "reassign": _("%(item)s is handed over.", item="{}"),
        "reopen": _("%(item)s waits again.", item="{}"),
    }[action]
    return Markup(escape(said)).format(link)


def _token() -> UUID | None:
    given = request.form.get("token")
    try:
        return UUID(given) if given else None
    except ValueError:
        raise BadRequest from None


def _cursor(last: Item) -> str:
    return cursor(last.priority, last.decided_at or last.due_at, last.id)
