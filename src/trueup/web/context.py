"""What a request carries with it: the application's own state, who is signed in, the session lent to it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, ParamSpec, cast

from flask import Response, current_app, g, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden, Unauthorized

from trueup.operating.config import Web
from trueup.store import Session
from trueup.web.model import Me
from trueup.web.pool import Pool

P = ParamSpec("P")

PEER = "trueup.peer"
PEER_TRUSTED = "trueup.peer_trusted"


def configuration() -> Web:
    """Return section [web]."""
    return cast(Web, current_app.config["TRUEUP_WEB"])


def pool() -> Pool:
    """Return the sessions of this process."""
    return cast(Pool, current_app.config["TRUEUP_POOL"])


def me() -> Me:
    """Return who is signed in."""
    return cast(Me, g.me)


def database() -> Session:
    """Return the session of this request, in its transaction."""
    return cast(Session, g.session)


def cookie_name() -> str:
    """Return the name of the cookie with the token; over TLS one that no other host can set."""
    return "__Host-trueup" if request.is_secure else "trueup"


def token_hash(token: str) -> bytes:
    """Return what the database keeps of a token."""
    return hashlib.sha256(token.encode()).digest()


@contextmanager
def entered() -> Iterator[Me | None]:
    """Lend a session, open a transaction, and act for who presents a token; None: nobody."""
    with ExitStack() as lent:
        session = lent.enter_context(pool().session())
        lent.enter_context(session.transaction())
        g.lent, g.session = lent, session
        try:
            found = None
            if token := request.cookies.get(cookie_name()):
                found = _enter(session, token)
            header = configuration().trusted_header
            if header:
                found = _by_proxy(session, request.headers.get(header), found)
            elif found is not None and found.method == "proxy":
                found = None
            g.me = found
            yield found
        finally:
            g.session = None


def give_back() -> None:
    """Commit, and give the session back before the request ends: what follows takes long and needs none."""
    g.session = None
    g.lent.close()


def signed_in(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Run a view in one transaction, for who is signed in; everybody else is sent to sign in."""

    @wraps(view)
    def inner(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        with entered() as found:
            if found is None:
                return _to_sign_in()
            response = make_response(view(*args, **kwargs))
            if token := g.pop("new_token", None):
                keep(response, token)
            return response

    inner.needs_sign_in = True  # type: ignore[attr-defined]
    return inner


def begin(session: Session, name: str, method: str, attempt_id: int | None = None) -> str | None:
    """Begin a session for a name; return its token, None when there is no such user."""
    token = secrets.token_urlsafe(32)
    section = configuration()
    begun = session.value(
        "web_begin_session",
        name=name,
        token_hash=token_hash(token),
        method=method,
        idle=section.idle,
        lasts=section.lasts,
        address=request.remote_addr,
        agent=request.user_agent.string,
        attempt_id=attempt_id,
    )
    return token if begun else None


def keep(response: Response, token: str) -> None:
    """Give the browser its token, until it is closed."""
    response.set_cookie(
        cookie_name(), token, secure=request.is_secure, httponly=True, samesite="Lax", path="/"
    )


def forget(response: Response) -> None:
    """Take the token from the browser."""
    response.delete_cookie(cookie_name(), secure=request.is_secure, httponly=True, samesite="Lax", path="/")


def _by_proxy(session: Session, name: str | None, found: Me | None) -> Me | None:
    """Return who the proxy says it is, with the session there is or a new one."""
    # a name from anybody else was refused before (app.refuse_spoofed)
    if not name:
        raise Unauthorized
    if found is not None and found.method == "proxy" and found.name.lower() == name.strip().lower():
        return found
    token = begin(session, name, "proxy")
    if token is None:
        raise Forbidden
    g.new_token = token
    return _enter(session, token)


def _enter(session: Session, token: str) -> Me | None:
    return session.row(
        "web_enter", Me, token_hash=token_hash(token), address=request.remote_addr, touch=not is_poll()
    )


def is_poll() -> bool:
    """Whether an open page asks for news by itself."""
    return "X-Poll" in request.headers


def _to_sign_in() -> ResponseReturnValue:
    wanted: dict[str, Any] = {}
    if request.method == "GET" and request.path != "/":
        wanted["next"] = request.full_path.rstrip("?")
    return redirect(url_for("access.sign_in", **wanted))
