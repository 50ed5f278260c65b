"""Serve the console: where it may listen, and until when."""

from __future__ import annotations

import ipaddress
import logging
import signal
import ssl
import sys
import threading
from collections.abc import Callable
from typing import Any

from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server

from trueup.errors import UsageError, logged
from trueup.operating.config import Web
from trueup.signals import ending
from trueup.web.app import LARGEST_FORM, Console, create_app

logger = logging.getLogger(__name__)


class _Headers(HeaderReader):
    """Headers that are what they are called: WSGI could not tell X_Remote_User from X-Remote-User.

    DropUnderscoreHeaderReader of cheroot 11.1 is meant for this and fails on every request.
    """

    def _allow_header(self, key_name: bytes) -> bool:
        return b"_" not in key_name


class _Request(HTTPRequest):
    header_reader = _Headers()


class _Connection(HTTPConnection):
    RequestHandlerClass = _Request


class _Server(Server):
    ConnectionClass = _Connection

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log what goes wrong before the application is asked: a connection broken off, a bad request."""
        if traceback and (error := sys.exception()):
            logger.error("console server failed", extra={**logged(error)})
        else:
            logger.info("console connection failed", extra={"reason": msg})


def refuse_exposed(web: Web) -> None:
    """Raise UsageError for an address that others reach, unless there is TLS or somebody said so."""
    if (web.tls_cert is None) is not (web.tls_key is None):
        raise UsageError("TLS needs both: --tls-cert FILE and --tls-key FILE")
    if web.tls_cert is None and not web.insecure and not _is_loopback(web.host):
        raise UsageError(
            f"{web.host} is reached from other machines, and passwords would travel readable: give "
            "--tls-cert and --tls-key, or --insecure when a proxy in front of it has TLS"
        )


def serve(web: Web, database: str | None, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP; requests under way are finished.

    `announce` gets the address once it is listened on. Raises UsageError for an address that
    is refused or taken.
    """
    refuse_exposed(web)
    app = create_app(web, database)
    try:
        _serve(bound(web, app), announce)
    finally:
        app.pool.close()


def bound(web: Web, app: Console) -> Server:
    """Return a server that listens. Raises UsageError for an address that is taken."""
    server = _Server((web.host, web.port), app, numthreads=web.threads, server_name="trueup")
    server.max_request_header_size = 32 << 10
    server.max_request_body_size = LARGEST_FORM
    server.timeout = 30
    if web.tls_cert and web.tls_key:
        server.ssl_adapter = _tls(str(web.tls_cert), str(web.tls_key))
    try:
        server.prepare()
    except OSError as error:
        raise UsageError(f"cannot listen on {web.host}:{web.port}: {error.strerror or error}") from None
    return server


def address_of(server: Server) -> str:
    """Return the address at which a server listens."""
    host, port = server.bind_addr[:2]
    scheme = "https" if server.ssl_adapter else "http"
    return f"{scheme}://[{host}]:{port}/" if ":" in str(host) else f"{scheme}://{host}:{port}/"


def _serve(server: Server, announce: Callable[[str], None]) -> None:
    def stop(number: int, frame: Any) -> None:
        # stop() waits for the threads, and this one must go on serving meanwhile
        threading.Thread(target=server.stop).start()

    previous = {number: signal.signal(number, stop) for number in ending()}
    address = address_of(server)
    announce(address)
    logger.info("console started", extra={"address": address})
    try:
        server.serve()
    finally:
        server.stop()
        for number, handler in previous.items():
            signal.signal(number, handler)
        logger.info("console stopped", extra={"address": address})


def _tls(certificate: str, key: str) -> BuiltinSSLAdapter:
    try:
        adapter = BuiltinSSLAdapter(certificate, key)
        adapter.context.minimum_version = ssl.TLSVersion.TLSv1_2
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"certificate {certificate} with key {key} cannot be used: {error}") from None
    return adapter


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
