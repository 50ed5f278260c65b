"""Signing in and out, language, password."""

from __future__ import annotations

import math
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask import (
    session as form_session,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.exceptions import NotFound

from trueup.errors import UsageError
from trueup.web import context, users
from trueup.web.limits import limiter
from trueup.web.model import Attempt

access = Blueprint("access", __name__)


@access.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """The form; who is signed in already goes on."""
    with context.entered() as found:
        if found is not None:
            return redirect(_next())
        return render_template("sign_in.html", next=request.args.get("next", ""))


@access.post("/sign-in")
@limiter.limit("30 per minute")
def check_sign_in() -> ResponseReturnValue:
    """Count the attempt, compare the password, begin a session."""
    if context.configuration().trusted_header:
        raise NotFound
    name, password = request.form.get("name", "")[:200], request.form.get("password", "")
    # a transaction of its own: an attempt counts, whatever becomes of it
    with context.pool().session() as session:
        attempt = session.row("web_attempt", Attempt, name=name, address=request.remote_addr)
    assert attempt is not None
    if attempt.wait is not None:
        page = render_template(
            "sign_in.html",
            next=request.form.get("next", ""),
            name=name,
            error=_("Too many attempts. Try again in %(minutes)s min.", minutes=math.ceil(attempt.wait / 60)),
        )
        return page, 429, {"Retry-After": str(math.ceil(attempt.wait))}
    token = None
    if users.verified(attempt.password_hash, password):
        with context.pool().session() as session, session.transaction():
            token = context.begin(session, name, "password", attempt.attempt_id)
    if token is None:
        page = render_template(
            "sign_in.html",
            next=request.form.get("next", ""),
            name=name,
            error=_("Name or password is wrong."),
        )
        return page, 401
    # what came before the sign-in, the token of the form included, is nobody's any more
    form_session.clear()
    response = make_response(redirect(_next(), 303))
    context.keep(response, token)
    return response


@access.post("/sign-out")
@context.signed_in
def sign_out() -> ResponseReturnValue:
    """End the session."""
    context.database().run("web_leave")
    form_session.clear()
    response = make_response(redirect(url_for("access.sign_in"), 303))
    context.forget(response)
    return response


@access.post("/language")
def language() -> ResponseReturnValue:
    """Keep the language with the person, or with the browser as long as nobody is signed in."""
    chosen = request.form.get("language", "")
    if chosen not in users.LANGUAGES:
        chosen = users.LANGUAGES[0]
    response = make_response(redirect(_next(), 303))
    with context.entered() as found:
        if found is not None:
            context.database().run("web_speak", language=chosen)
    response.set_cookie(
        "trueup_language", chosen, max_age=31536000, samesite="Lax", secure=request.is_secure, httponly=True
    )
    return response


@access.get("/account")
@context.signed_in
def account() -> ResponseReturnValue:
    """Who you are, and a form for a new password."""
    return render_template("account.html", shortest=users.SHORTEST)


@access.post("/account")
@limiter.limit("10 per minute")
@context.signed_in
def change_password() -> ResponseReturnValue:
    """Change the password; every session ends, and a new one begins here."""
    me, session = context.me(), context.database()
    if me.method != "password":
        raise NotFound
    error = None
    if not users.verified(session.value("web_own_hash"), request.form.get("old", "")):
        error = _("The present password is wrong.")
    elif request.form.get("new", "") != request.form.get("again", ""):
        error = _("The new password was not typed twice the same.")
    else:
        try:
            session.run("web_set_password", password_hash=users.hashed(request.form["new"]))
        except UsageError:
            error = _("A password has at least %(count)s characters.", count=users.SHORTEST)
    if error:
        return render_template("account.html", shortest=users.SHORTEST, error=error), 422
    flash(_("Your password is changed; other sessions of yours have ended."))
    token = context.begin(session, me.name, "password")
    response = make_response(redirect(url_for("access.account"), 303))
    if token:
        context.keep(response, token)
    return response


def _next() -> str:
    """Return where to go on: a path of ours, never another host."""
    wanted = request.values.get("next", "")
    parts = urlsplit(wanted)
    if parts.scheme or parts.netloc or not wanted.startswith("/") or wanted.startswith(("//", "/\\")):
        return url_for("queue.items")
    return wanted
