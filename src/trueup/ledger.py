"""The ledger: who deployed what, when, from where, and how it ended.

A revision and its row are committed together, so that neither is there without the other;
the row says `running` before, and `interrupted` when the next migration finds it so.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from trueup import __version__
from trueup.durations import elapsed_ms
from trueup.effects import Difference
from trueup.errors import MigrationError
from trueup.packs import CORE, checksum, readable
from trueup.store import ServerSaid, Session, brief

logger = logging.getLogger(__name__)

LIMIT = 50


@dataclass(frozen=True)
class Deployment:
    """One row of the ledger; `seconds` is None while it runs, and for one that was interrupted.

    `checks` are what `migrate --check` found, one dictionary for each check whose
    violations changed: check, before, after, appeared, disappeared.
    """

    id: int
    kind: str
    name: str
    outcome: str
    started_at: datetime
    seconds: float | None
    actor: str
    client_address: str | None
    application_name: str
    version: str
    server_version: str
    file: str | None
    checksum: str | None
    detail: str | None
    checks: list[dict[str, Any]]


@dataclass(frozen=True)
class Revision:
    """A revision, the file that holds its SQL, and the checksum of it."""

    name: str
    file: str
    checksum: str


class _Known(NamedTuple):
    name: str
    checksum: str
    finished_at: datetime


def described(name: str, module: Path, root: Path) -> Revision:
    """Return a revision of a pack by its Python module, beside which its SQL lies."""
    script = module.with_suffix(".up.sql")
    path = script if script.is_file() else module
    base = CORE if module.is_relative_to(CORE) else root
    shown = path.relative_to(base).as_posix() if path.is_relative_to(base) else str(path)
    # a checkout on another system may end its lines otherwise
    return Revision(name, shown, checksum(readable(path).replace("\r\n", "\n")))


class Ledger:
    """Writes the ledger, as soon as the revision that creates it has been run."""

    def __init__(self, connection: Session) -> None:
        self._connection = connection
        self._running: dict[str, tuple[int | None, float]] = {}
        # what was done before there was a ledger to write it into
        self._owed: list[dict[str, Any]] = []

    @property
    def running(self) -> str:
        """Names of the revisions that have begun and not ended: one at most."""
        return ", ".join(self._running)

    def close_interrupted(self) -> None:
        """Mark what an earlier migration left running; the caller holds the migration lock."""
        if self._is_there(self._connection):
            self._connection.run("interrupt_deployments")

    def begin(self, kind: str, revision: Revision) -> None:
        """Note that a revision begins, in a transaction of its own; once, however often it is tried."""
        if revision.name in self._running:
            return
        number = None
        if self._is_there(self._connection):
            number = self._connection.value("begin_deployment", kind=kind, **_columns(revision))
        self._running[revision.name] = (number, time.monotonic())

    def done(self, within: Session, kind: str, revision: Revision, detail: str | None = None) -> None:
        """Note in the revision's own transaction, that of `within`, that it is done."""
        number, began = self._running.pop(revision.name, (None, time.monotonic()))
        _tell(kind, revision.name, "done", began)
        there = self._is_there(within)
        if there and number is not None:
            within.run("end_deployment", id=number, outcome="done", detail=detail)
            return
        self._owed.append(
            {
                "kind": kind,
                **_columns(revision),
                "seconds": time.monotonic() - began,
                "outcome": "done",
                "detail": detail,
            }
        )
        if there:
            for row in self._owed:
                within.run("record_deployment", **row)
            self._owed.clear()

    def failed(self, error: BaseException) -> None:
        """Note that what was running has failed, and why; silent when the server is gone."""
        with suppress(ServerSaid):
            for name, (number, began) in self._running.items():
                _tell("revision", name, "failed", began)
                if number is not None:
                    self._connection.run("end_deployment", id=number, outcome="failed", detail=_reason(error))
        self._running.clear()
        self._owed.clear()

    def known(self) -> dict[str, _Known]:
        """Return what each revision was when this database last ran it; nothing before the ledger."""
        if not self._is_there(self._connection):
            return {}
        return {row.name: row for row in self._connection.rows("revision_checksums", _Known)}

    def record(
        self, kind: str, revision: Revision, *, outcome: str = "done", detail: str | None = None
    ) -> None:
        """Write down something that took no time."""
        self._connection.run(
            "record_deployment", kind=kind, **_columns(revision), seconds=0, outcome=outcome, detail=detail
        )

    def effect(self, name: str, differences: Sequence[Difference], outcome: str, detail: str) -> None:
        """Write down what a migration did to the violations of the checks it concerned."""
        self._connection.run(
            "record_effect",
            name=name,
            version=__version__,
            outcome=outcome,
            detail=detail,
            differences=json.dumps([asdict(difference) for difference in differences]),
        )

    @contextmanager
    def step(self, kind: str, name: str, digest: str | None = None) -> Iterator[_Step]:
        """Write down a deployment that is not a revision, unless it turns out that nothing was to do."""
        step = _Step()
        began = time.monotonic()
        row = {"kind": kind, "name": name, "file": None, "checksum": digest, "version": __version__}
        try:
            yield step
        except BaseException as error:
            _tell(kind, name, "failed", began)
            with suppress(ServerSaid):
                if self._is_there(self._connection):
                    self._connection.run(
                        "record_deployment",
                        **row,
                        seconds=time.monotonic() - began,
                        outcome="failed",
                        detail=_reason(error),
                    )
            raise
        if step.detail is not None:
            _tell(kind, name, "done", began)
        if step.detail is not None and self._is_there(self._connection):
            row["checksum"] = step.checksum or digest
            self._connection.run(
                "record_deployment",
                **row,
                seconds=time.monotonic() - began,
                outcome="done",
                detail=step.detail,
            )

    @contextmanager
    def constraint(self, name: str, digest: str) -> Iterator[_Step]:
        """Write down that a constraint or index is added, before it is and after; nothing if it was not.

        It cannot be added and recorded in one transaction, as an index is built outside any. Of
        one that was begun and did not end, what is found later is ours. A role that may not
        write the ledger adds it all the same.
        """
        step = _Step()
        began = time.monotonic()
        if not self._connection.value("may_write_deployments"):
            yield step
            return
        self._connection.run("begin_constraint", name=name, checksum=digest, version=__version__)
        try:
            yield step
        except BaseException as error:
            # the server refused to add it; anything else may have happened when it was there
            outcome = "failed" if isinstance(error, MigrationError) else "interrupted"
            _tell("constraint", name, outcome, began)
            with suppress(ServerSaid):
                self._connection.run("end_constraint", name=name, outcome=outcome, detail=_reason(error))
            raise
        if step.detail is None:
            self._connection.run("forget_constraint", name=name)
            return
        _tell("constraint", name, "done", began)
        self._connection.run("end_constraint", name=name, outcome="done", detail=step.detail)

    @staticmethod
    def _is_there(connection: Session) -> bool:
        return bool(connection.value("has_deployments"))


@dataclass
class _Step:
    """What a step did, in words; None for nothing, which is not written down."""

    detail: str | None = None
    checksum: str | None = None


def _tell(kind: str, name: str, outcome: str, began: float) -> None:
    logger.info(
        "deployment done",
        extra={"kind": kind, "deployed": name, "outcome": outcome, "duration_ms": elapsed_ms(began)},
    )


def _columns(revision: Revision) -> dict[str, Any]:
    return {
        "name": revision.name,
        "file": revision.file,
        "checksum": revision.checksum,
        "version": __version__,
    }


def _reason(error: BaseException) -> str:
    text = brief(error) if isinstance(error, ServerSaid) else str(error) or type(error).__name__
    return text[:2000]


def deployments(connection: Session, limit: int = LIMIT) -> list[Deployment]:
    """Return the ledger, newest first."""
    if not connection.value("has_deployments"):
        return []
    return connection.rows("deployments", Deployment, limit=limit)
