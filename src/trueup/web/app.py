"""The application: blueprints, who may ask, what every answer carries, and what an error looks like."""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import flask_babel
from babel import negotiate_locale
from babel.dates import format_timedelta
from flask import Flask, Response, g, get_flashed_messages, render_template, request
from flask.sessions import SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from flask_babel import Babel, gettext
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, NotFound
from werkzeug.middleware.proxy_fix import ProxyFix

from trueup import __version__
from trueup.errors import DatabaseError, RefusedError, TrueupError, UsageError, logged
from trueup.operating.config import Web
from trueup.store import refuse_foreign
from trueup.web.access import access
from trueup.web.alerts import alerts
from trueup.web.context import PEER_TRUSTED, configuration, is_poll
from trueup.web.limits import limiter
from trueup.web.overview import overview
from trueup.web.pool import Pool
from trueup.web.queue import queue
from trueup.web.users import LANGUAGES
from trueup.web.words import word

logger = logging.getLogger(__name__)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
LARGEST_FORM = 64 << 10
NOTHING = "\N{EN DASH}"
# an instant as PostgreSQL and providers write it into JSON
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$")


class Console(Flask):
    """The application and its pool of sessions."""

    def __init__(self, web: Web, database: str | None) -> None:
        super().__init__("trueup.web")
        self.pool = Pool(database, web.threads, web.statement_timeout)


def create_app(web: Web, database: str | None = None) -> Console:
    """Return the application.

    Raises DatabaseError when the database is not there or has no trueup, UsageError for a
    configuration that makes no sense.
    """
    networks = _networks(web.trusted_proxies)
    if web.trusted_header and not networks:
        raise UsageError(
            "[web] trusted_header needs trusted_proxies: from anybody else a name proves nothing"
        )
    try:
        ZoneInfo(web.zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise UsageError(f"[web] zone: {web.zone} is no time zone; write Europe/Berlin") from None
    app = Console(web, database)
    try:
        with app.pool.session() as session:
            refuse_foreign(session)
            key = session.value("web_key")
    except TrueupError:
        app.pool.close()
        raise
    app.config.update(
        TRUEUP_WEB=web,
        TRUEUP_POOL=app.pool,
        SECRET_KEY=key,
        SESSION_COOKIE_NAME="trueup_form",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=LARGEST_FORM,
        MAX_FORM_MEMORY_SIZE=LARGEST_FORM,
        MAX_FORM_PARTS=100,
        # a form is as old as the session that signs it
        WTF_CSRF_TIME_LIMIT=None,
        BABEL_DEFAULT_LOCALE="en",
        BABEL_DEFAULT_TIMEZONE=web.zone,
    )
    app.session_interface = _Forms()
    app.wsgi_app = _Proxies(app.wsgi_app, networks)  # type: ignore[method-assign]
    Babel(app, locale_selector=_language, timezone_selector=lambda: web.zone)
    CSRFProtect(app)
    limiter.init_app(app)
    for blueprint in (access, queue, alerts, overview):
        app.register_blueprint(blueprint)
    app.before_request(_refuse_spoofed)
    app.before_request(_refuse_unreadable)
    app.after_request(_headed)
    _errors(app)
    _words(app)

    @app.get("/health")
    @limiter.exempt
    def health() -> ResponseReturnValue:
        with app.pool.session() as session:
            session.value("backend_pid")
        return {"status": "ok"}

    return app


class _Forms(SecureCookieSessionInterface):
    """The signed cookie behind forms; secure where the request was."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


class _Proxies:
    """Believe X-Forwarded-* of the proxies that are trusted, and of nobody else."""

    def __init__(self, inner: Any, networks: list[Any]) -> None:
        self.inner = inner
        self.fixed = ProxyFix(inner, x_for=1, x_proto=1, x_host=1)
        self.networks = networks

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            peer = ipaddress.ip_address(environ.get("REMOTE_ADDR", ""))
            trusted = any(peer in network for network in self.networks)
        except ValueError:
            trusted = False
        environ[PEER_TRUSTED] = trusted
        inner = self.fixed if trusted else self.inner
        answer: Iterable[bytes] = inner(environ, start_response)
        return answer


def _networks(given: Iterable[str]) -> list[Any]:
    try:
        return [ipaddress.ip_network(text, strict=False) for text in given]
    except ValueError as error:
        raise UsageError(f"[web] trusted_proxies: {error}") from None


def _refuse_spoofed() -> None:
    """Refuse who says who they are and is not the proxy that may say so."""
    if configuration().trusted_header and not request.environ.get(PEER_TRUSTED):
        logger.warning("console name refused", extra={"endpoint": request.endpoint})
        raise Forbidden


def _refuse_unreadable() -> None:
    """Refuse characters that no text of PostgreSQL holds."""
    for values in (request.args, request.form):
        for key, value in values.items(multi=True):
            if "\x00" in key or "\x00" in value:
                raise BadRequest


def _language() -> str:
    me = g.get("me")
    chosen = (me and me.language) or request.cookies.get("trueup_language")
    if chosen in LANGUAGES:
        return str(chosen)
    # in the order of the browser: de-AT before en is German
    return negotiate_locale(list(request.accept_languages.values()), LANGUAGES, sep="-") or "en"


def _headed(response: Response) -> Response:
    """Give an answer the headers that keep it among those it is for."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", POLICY)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    if request.endpoint == "static":
        headers["Cache-Control"] = "public, max-age=3600"
    else:
        headers["Cache-Control"] = "no-store"
        headers["Vary"] = "Cookie, Accept-Language"
    if request.is_secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def _errors(app: Flask) -> None:
    @app.errorhandler(CSRFError)
    def form_is_old(error: CSRFError) -> ResponseReturnValue:
        return _page(
            400,
            gettext("This form is out of date"),
            gettext("Nothing was changed. Go back, reload the page, and send it again."),
        )

    @app.errorhandler(HTTPException)
    def not_possible(error: HTTPException) -> ResponseReturnValue:
        code = error.code or 500
        if code < 400:
            return error.get_response()
        title, what = {
            400: (
                gettext("This request makes no sense"),
                gettext("Something in the address or the form cannot be read. Nothing was changed."),
            ),
            401: (gettext("Nobody is signed in"), gettext("Sign in where you come from, then try again.")),
            403: (gettext("This is not for you"), gettext("Your role or your way here does not allow it.")),
            404: (
                gettext("There is no such page"),
                gettext("It may be gone, or belong to a company that is not yours."),
            ),
            405: (gettext("This request makes no sense"), gettext("Nothing was changed.")),
            413: (gettext("This is too much"), gettext("A form holds at most 64 kB. Nothing was changed.")),
            429: (gettext("Too many requests"), gettext("Wait a minute, then go on.")),
        }.get(code, (gettext("This did not work"), gettext("Nothing was changed.")))
        return _page(code, title, what)

    @app.errorhandler(DatabaseError)
    def database_is_gone(error: DatabaseError) -> ResponseReturnValue:
        number = _logged(error)
        return (
            *_page(
                503,
                gettext("The database does not answer"),
                gettext("Nothing was changed. This page tries again by itself."),
                number,
            ),
            {"Retry-After": "10", "Refresh": "10"} if request.method == "GET" else {"Retry-After": "10"},
        )

    @app.errorhandler(RefusedError)
    def not_now(error: RefusedError) -> ResponseReturnValue:
        if error.sqlstate == "TU006":
            return not_possible(Forbidden())
        if error.sqlstate == "TU002":
            return not_possible(NotFound())
        return _page(
            409, gettext("This is not possible now"), gettext("Nothing was changed."), _logged(error)
        )

    @app.errorhandler(Exception)
    def failed(error: Exception) -> ResponseReturnValue:
        return _page(
            500,
            gettext("This did not work"),
            gettext("Nothing was changed. Tell your administrator the number below."),
            _logged(error),
        )


def _logged(error: Exception) -> str:
    number = secrets.token_hex(4)
    logger.error(
        "console page failed",
        extra={"error_id": number, "endpoint": request.endpoint, **logged(error)},
    )
    return number


def _page(code: int, title: str, what: str, number: str | None = None) -> tuple[str, int]:
    return render_template("error.html", code=code, title=title, what=what, number=number), code


def _words(app: Flask) -> None:
    @app.template_filter("moment")
    def moment(value: datetime) -> str:
        return str(flask_babel.format_datetime(value, "medium"))

    @app.template_filter("ago")
    def ago(value: datetime) -> str:
        delta = value - datetime.now(UTC)
        if abs(delta) < timedelta(minutes=1):
            delta = timedelta(minutes=1) if delta > timedelta(0) else timedelta(minutes=-1)
        return format_timedelta(
            delta, granularity="minute", threshold=1.2, add_direction=True, locale=flask_babel.get_locale()
        )

    @app.template_filter("spelled")
    def spelled(value: Any) -> str:
        """A value of a row or of evidence, in one line."""
        if value is None:
            return NOTHING
        if isinstance(value, str):
            return moment(datetime.fromisoformat(value)) if INSTANT.match(value) else value
        if isinstance(value, bool):
            return str(gettext("yes") if value else gettext("no"))
        return json.dumps(value, ensure_ascii=False)

    app.template_filter("word")(word)

    @app.template_filter("initial")
    def initial(value: str) -> str:
        """With a capital, the rest as it is: German nouns keep theirs."""
        return value[:1].upper() + value[1:]

    @app.template_filter("number")
    def number(value: float | None) -> str:
        return NOTHING if value is None else str(flask_babel.format_decimal(value))

    @app.template_test("soon")
    def soon(value: datetime) -> bool:
        return value - datetime.now(UTC) < timedelta(minutes=5)

    @app.context_processor
    def always() -> dict[str, Any]:
        return {
            "me": g.get("me"),
            "zone": app.config["TRUEUP_WEB"].zone,
            "language": str(flask_babel.get_locale()),
            "poll_seconds": int(app.config["TRUEUP_WEB"].poll.total_seconds()),
            "by_proxy": bool(app.config["TRUEUP_WEB"].trusted_header),
            "has_report": app.config["TRUEUP_WEB"].report_database_url is not None,
            "version": __version__,
            # an open page that asks for news must not take them from the next page
            "messages": [] if is_poll() else get_flashed_messages(),
        }
