"""Metrics for Prometheus: read from the tables, kept for a few seconds, told as text or over HTTP.

A reading is one connection, one snapshot, a few short statements on views of db/dashboards,
with the rights of trueup_dashboard. It never hangs: when the database does not answer in time, a
reading says trueup_up 0 and nothing else.
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from trueup import __version__, exposition
from trueup.errors import DatabaseError, TrueupError, UsageError, logged
from trueup.exposition import Family, family
from trueup.model import Rate
from trueup.operating.config import Metrics
from trueup.store import ServerSaid, Session, refuse_foreign, session

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
# seconds that a client of the HTTP server may take to say what it wants
PATIENCE = 10.0
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class _Collector(NamedTuple):
    """A group of metrics: the statement that reads it, and a view that may not be there."""

    name: str
    needs: str | None = None

    @property
    def statement(self) -> str:
        return f"metric_{self.name}"


COLLECTORS = (
    _Collector("checks"),
    _Collector("alerts"),
    _Collector("guards"),
    _Collector("consistency"),
    _Collector("runs"),
    _Collector("repairs"),
    _Collector("changes"),
    _Collector("review"),
    _Collector("runners"),
    _Collector("jobs"),
    _Collector("notifications"),
    # of a pack
    _Collector("circuits", "circuit_overview"),
    _Collector("sync", "sync_overview"),
)


@dataclass(frozen=True)
class Reading:
    """What was measured; with an `error`, which says why the database could not be read, hardly anything."""

    families: tuple[Family, ...]
    error: TrueupError | None = None

    @property
    def text(self) -> str:
        """All of it in the text format of Prometheus."""
        return exposition.text(self.families)


class Reader:
    """Reads the metrics of a database, at most once in a few seconds, from any number of threads."""

    def __init__(self, database: str | None = None, settings: Metrics | None = None) -> None:
        self.database = database
        self.settings = settings or Metrics()
        self._lock = threading.Lock()
        self._attempt: _Attempt | None = None
        self._reading = Reading(())
        self._fresh_until = 0.0

    def read(self) -> Reading:
        """Return what the metrics are, or were a few seconds ago. Never raises for the database."""
        with self._lock:
            if time.monotonic() >= self._fresh_until:
                self._reading = self._answer()
                self._fresh_until = time.monotonic() + self.settings.cache.total_seconds()
            return self._reading

    def _answer(self) -> Reading:
        began = time.monotonic()
        # one that still waits for a server that does not answer: two would wait no better
        if self._attempt is None or not self._attempt.thread.is_alive():
            self._attempt = _Attempt(self.database, self.settings)
        seconds = self.settings.timeout.total_seconds()
        self._attempt.thread.join(seconds)
        took = family("collection_duration_seconds", [((), time.monotonic() - began)])
        if self._attempt.thread.is_alive():
            error: TrueupError | None = DatabaseError(
                f"the database did not answer within {seconds:g} s; see whether it is overloaded or stopped, "
                "or give it more time (metrics.timeout)"
            )
        else:
            error = self._attempt.error
        if error:
            return Reading((family("up", [((), 0)]), _build(), took), error)
        return Reading((family("up", [((), 1)]), _build(), took, *self._attempt.families))


class _Attempt:
    """One reading, in a thread of its own, because nothing else ends a wait for a server that is silent."""

    def __init__(self, database: str | None, settings: Metrics) -> None:
        self.families: list[Family] = []
        self.error: TrueupError | None = None
        self.thread = threading.Thread(
            target=self._run, args=(database, settings), name="trueup metrics", daemon=True
        )
        self.thread.start()

    def _run(self, database: str | None, settings: Metrics) -> None:
        try:
            self.families = _collected(database, settings)
        except TrueupError as error:
            self.error = error


def _build() -> Family:
    return family("build_info", [((__version__,), 1)])


def _collected(database: str | None, settings: Metrics) -> list[Family]:
    with session(database, "metrics") as connection, connection.transaction(snapshot=True):
        connection.set_local("statement_timeout", f"{settings.timeout.total_seconds() * 1000:.0f}ms")
        refuse_foreign(connection)
        there = set(
            connection.values("present_tables", names=[each.needs for each in COLLECTORS if each.needs])
        )
        found: list[Family] = []
        up = []
        for collector in COLLECTORS:
            if collector.needs and collector.needs not in there:
                continue
            try:
                with connection.transaction():
                    found += _group(connection, collector, settings)
            except ServerSaid as error:
                if connection.is_closed:
                    raise
                logger.warning("collector not read", extra={"collector": collector.name, **logged(error)})
                up.append(((collector.name,), 0))
            else:
                up.append(((collector.name,), 1))
        return [family("collector_up", up), *found]


def _group(connection: Session, collector: _Collector, settings: Metrics) -> list[Family]:
    if collector.name == "consistency":
        return exposition.consistency(connection.rows(collector.statement, Rate), settings.companies)
    return exposition.families(connection.records(collector.statement, most=settings.most))


def write(path: Path, text: str) -> None:
    """Put a text into a file at once, so that who reads it finds the old or the new one, whole."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
        ) as file:
            try:
                file.write(text + "\n")
                # the collector of node_exporter is another user
                os.fchmod(file.fileno(), 0o644)
                file.flush()
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink()
                raise
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    # the name of a machine is nobody's business, and asking for it may take seconds
    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE

    def log_message(self, format: str, *arguments: Any) -> None:
        logger.debug("metrics asked", extra={"request": format % arguments})

    def address_string(self) -> str:
        return str(self.client_address[0])


@contextmanager
def serve(
    address: str, port: int, *, database: str | None = None, settings: Metrics | None = None
) -> Iterator[str]:
    """Serve the metrics over HTTP while the block runs; gives their URL, with the port that 0 became.

    /metrics is read from the database when asked for, /healthz says that this process is
    alive, whatever the database does. There is no login: whoever reaches the address reads
    names of checks and keys of companies. Raises UsageError when it cannot listen there, or
    prometheus-client is not installed.
    """
    application = _application(Reader(database, settings))
    kind = _Server6 if ":" in address else _Server
    try:
        server = kind((address, port), _Handler)
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or error
        raise UsageError(
            f"metrics cannot be served at {address} port {port}: {said}; choose another"
        ) from None
    server.set_app(application)
    thread = threading.Thread(target=server.serve_forever, name="trueup metrics server", daemon=True)
    thread.start()
    shown = f"[{address}]" if ":" in address else address
    url = f"http://{shown}:{server.server_port}/metrics"
    logger.info("metrics served", extra={"url": url})
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _application(reader: Reader) -> Application:
    prometheus, core = _library()

    class Bridge:
        """Gives the library what a reading found."""

        def collect(self) -> Iterator[Any]:
            found = reader.read()
            if error := found.error:
                logger.warning("metrics not read", extra={**logged(error)})
            for each in found.families:
                metric = each.metric
                told = core.GaugeMetricFamily(metric.full_name, metric.help, labels=metric.labels)
                for labels, value in each.samples:
                    told.add_metric(labels, value)
                yield told

    registry = prometheus.CollectorRegistry()
    # memory, processor time and open files of the process that serves
    prometheus.ProcessCollector(registry=registry)
    registry.register(Bridge())
    metrics = prometheus.make_wsgi_app(registry)

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _plain(start_response, "405 Method Not Allowed", "only GET")
        if environ["PATH_INFO"] == "/healthz":
            return _plain(start_response, "200 OK", "alive")
        if environ["PATH_INFO"] in ("/", "/metrics"):
            return metrics(environ, start_response)  # type: ignore[no-any-return]
        return _plain(start_response, "404 Not Found", "there are /metrics and /healthz")

    return application


def _plain(start_response: Any, status: str, text: str) -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{text}\n".encode()]


def _library() -> tuple[Any, Any]:
    try:
        import prometheus_client
        from prometheus_client import core
    except ImportError:
        raise UsageError("serving metrics needs prometheus-client: pip install 'trueup[run]'") from None
    return prometheus_client, core
