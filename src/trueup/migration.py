"""Bring a database to head: revisions through Alembic, then the files, then constraints.

With `revisions` the only module that imports alembic, and the only one that imports sqlalchemy; they are
imported when used.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from trueup import __version__, backfilling, deploy, effects, packs
from trueup.dependents import run_script, run_statement
from trueup.deploy import Change, ConstraintState
from trueup.durations import elapsed_ms
from trueup.errors import CatalogError, DatabaseError, MigrationError
from trueup.fitting import fitted, note_application
from trueup.ledger import Ledger, Revision, described
from trueup.locks import DEADLOCK, LOCK_NOT_AVAILABLE, limit_waiting, one_at_a_time, retried
from trueup.model import Progress, silent
from trueup.packs import CORE, Pack
from trueup.revisions import (
    alembic_config,
    current,
    first_revision,
    is_adopted,
    pending_revisions,
    refuse_branches,
    refuse_newer,
    refuse_no_target,
    walk,
)
from trueup.scripts import bare, lock_of
from trueup.store import (
    SCHEMA,
    ServerSaid,
    Session,
    connect,
    explained,
    literal,
    refuse_foreign,
    session,
    translated,
)
from trueup.tokens import texts

logger = logging.getLogger(__name__)

VERSION_TABLE = "alembic_version"
# what the revisions of a pack write into are tables of the core, whether they say so in depends_on or not
TARGETS = ("core@head", "heads")
_KINDS = {"up": "revision", "down": "revision taken back", "stamp": "stamp"}
WAIT = 60.0
# what is tried again: runs read the same views, in an order of their own
_OF_VIEWS = (LOCK_NOT_AVAILABLE, DEADLOCK)

# above the script of a dry run
_REHEARSED = """\
-- What `trueup migrate` would run, carried out in one transaction and rolled back. A comment
-- `locks` names each lock, from SHARE UPDATE EXCLUSIVE on, that the statement below it takes on
-- a table or view that is there now, and holds to the end of its transaction; a statement without
-- one makes nobody wait. Run it with psql -v ON_ERROR_STOP=1.

"""


@dataclass(frozen=True)
class Migration:
    """What `migrate` did, or with a dry run would do: revisions, files, constraints.

    `sql` is the script of a dry run, empty otherwise; `warnings` are the server's.
    `checked` are the checks that were counted before and after, `differences` those of
    them whose violations changed. `rolled_back` is the revision that was taken back
    because of them, and then `revisions` holds those that stay.
    """

    revisions: tuple[str, ...]
    changes: tuple[Change, ...]
    sql: str = ""
    warnings: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    differences: tuple[effects.Difference, ...] = ()
    rolled_back: str | None = None

    @property
    def grew(self) -> bool:
        """Some check has more violations than before."""
        return any(difference.grew for difference in self.differences)


@dataclass(frozen=True)
class Hidden:
    """A table whose rows a policy may hide from whoever is connected, and what mends it."""

    what: str
    mend: str


class _DeclaredKey(NamedTuple):
    name: str
    key_column: str


def migrate(
    *,
    database: str | None = None,
    pack: Path | None = None,
    dry_run: bool = False,
    wait: float = WAIT,
    keep_drift: bool = False,
    accept_edited: Iterable[str] = (),
    check: bool = False,
    fail_on_new: bool = False,
    replace_pack: bool = False,
    progress: Progress = silent,
) -> Migration:
    """Bring the database to head and return what was done; a second call does nothing.

    With `dry_run`, carry it out in one transaction, roll it back, and return in `sql` what
    would run, ready for psql. With `keep_drift`, leave views, functions, triggers and
    constraints that somebody changed by hand as they are. `accept_edited` names revisions
    whose files were edited after they had been run, and differ in nothing that matters. With
    `replace_pack`, take down what a pack deployed with which this one has no check in common.

    With `check`, count the violations of the checks concerned before and after, and keep the
    difference in the ledger; with `fail_on_new`, take the last revision back when some check
    has more of them than before, with views and triggers as they were.

    Raises DatabaseError when the database is ahead of the pack or has another one, or holds tables of an
    application that were never adopted; CatalogError for a revision that was edited, or
    two that follow the same one; MigrationError when a lock is not granted.
    """
    began = time.monotonic()
    done = _migrated(
        database,
        packs.load(pack),
        dry_run,
        wait,
        keep_drift,
        accept_edited,
        check,
        fail_on_new,
        replace_pack,
        progress,
    )
    for change in done.changes:
        logger.debug("object changed", extra={"action": change.action, "deployed": change.what})
    logger.info(
        "migration finished",
        extra={
            "dry_run": dry_run,
            "revisions": len(done.revisions),
            "changes": len(done.changes),
            "warnings": len(done.warnings),
            "grew": done.grew,
            "rolled_back": done.rolled_back,
            "duration_ms": elapsed_ms(began),
        },
    )
    return done


def _migrated(
    database: str | None,
    loaded: Pack,
    dry_run: bool,
    wait: float,
    keep_drift: bool,
    accept_edited: Iterable[str],
    check: bool,
    fail_on_new: bool,
    replace_pack: bool,
    progress: Progress,
) -> Migration:
    with session(database, "migrate") as connection:
        _refuse_read_only(connection)
        refuse_branches(loaded)
        loaded = fitted(connection, loaded)
        refuse_newer(connection, loaded, replace_pack=replace_pack)
        refuse_unadopted(connection, loaded)
        _refuse_hidden(connection, loaded)
        with one_at_a_time(database, wait) as turn, translated(migrating=True):
            limit_waiting(connection)
            ledger = Ledger(connection)
            if not dry_run:
                ledger.close_interrupted()
                _accept(ledger, connection, loaded, accept_edited)
            if edited := edited_revisions(connection, loaded):
                raise CatalogError("\n".join(edited))
            if dry_run:
                return _dry_run(connection, loaded, keep_drift)
            connection.script(f"set lock_timeout = '{connection.lock_timeout}'")
            was = deploy.remembered(connection) if fail_on_new else []
            counted = _count(connection, loaded) if check or fail_on_new else []
            revisions = _upgrade(connection, database, loaded, ledger)
            turn.go_on()
            connection.run("forget_found_columns")
            loaded = fitted(connection, packs.load(loaded.root))
            keys = declared_keys(connection, loaded)

            def build_lookups() -> list[Change]:
                turn.go_on()
                return deploy.add_constraints(connection, ledger, keep_drift=keep_drift, lookups_only=True)

            with ledger.step("files", "views, functions and triggers") as step:
                changes = deploy.deploy(
                    connection,
                    loaded,
                    keys,
                    keep_drift=keep_drift,
                    before_triggers=build_lookups,
                    attempt=lambda work: retried(
                        connection,
                        work,
                        lambda: "while deploying views and triggers",
                        states=_OF_VIEWS,
                    ),
                )
                deployed = [change for change in changes if change.action in ("deploy", "drop")]
                if deployed:
                    step.detail = deploy.summary(deployed)
                    step.checksum = deploy.whole_checksum(loaded)
            turn.go_on()
            changes += deploy.add_constraints(connection, ledger, keep_drift=keep_drift)
            changes += deploy.left_out(connection, loaded)
            retried(connection, lambda: _grant(connection, loaded), lambda: "while granting rights")
            changes += backfilling.run(connection, loaded, ledger, turn, progress)
            done = Migration(
                tuple(revisions), tuple(changes), warnings=tuple(connection.warnings), checked=tuple(counted)
            )
            if not counted:
                return done
            done = replace(done, differences=tuple(effects.differences(connection, counted)))
            turn.go_on()
            if done.grew and fail_on_new and revisions:
                done = _take_back(connection, database, loaded, ledger, done, was)
            if done.differences:
                _note_effect(ledger, done)
        return done


def _count(connection: Session, pack: Pack) -> list[str]:
    """Count the violations that the migration to come may change; return the checks that were counted."""
    missing = set(pending_revisions(connection, pack))
    bodies = [
        pack.written(packs.readable(path))
        for script in walk(pack)
        if script.name in missing
        for path in [script.path.with_suffix(".up.sql")]
        if path.is_file()
    ]
    states = deploy.object_states(connection)
    files = [file.name for file, _ in deploy.pending_files(connection, pack, states)]
    names = effects.affected(connection, pack, bodies, files)
    return effects.remember(connection, names) if names else []


def _take_back(
    connection: Session,
    database: str | None,
    pack: Pack,
    ledger: Ledger,
    done: Migration,
    was: list[deploy.Remembered],
) -> Migration:
    """Take the last revision of a migration back, and put views and triggers back as they were before it."""
    last = done.revisions[-1]
    script = next(script for script in walk(pack) if script.name == last)
    if script.is_core:
        connection.warnings.append(f"{last} is the layer's own and was not taken back")
        return replace(done, warnings=tuple(connection.warnings))
    target = script.follows[0] if script.follows else f"{last}@base"
    try:
        retried(
            connection,
            lambda: deploy.undeploy(connection, pack),
            lambda: "while dropping views and triggers",
            states=_OF_VIEWS,
        )
        _command(connection, database, pack, "downgrade", target, ledger)
        retried(
            connection,
            lambda: deploy.put_back(connection, was),
            lambda: "while putting views and triggers back",
            states=_OF_VIEWS,
        )
        retried(connection, lambda: _grant(connection, pack), lambda: "while granting rights")
    except (MigrationError, ServerSaid) as error:
        reason = str(explained(error)) if isinstance(error, ServerSaid) else str(error)
        raise MigrationError(
            f"violations grew ({_grown(done)}), and taking {last} back did not succeed: {reason}\n"
            "run `trueup migrate` of this release to go forward, or of the one before to go back"
        ) from error
    return replace(done, revisions=done.revisions[:-1], rolled_back=last, warnings=tuple(connection.warnings))


def _note_effect(ledger: Ledger, done: Migration) -> None:
    grown = _grown(done)
    if done.rolled_back:
        ledger.effect(done.rolled_back, done.differences, "failed", f"taken back: {grown}")
    else:
        name = done.revisions[-1] if done.revisions else "views, functions and triggers"
        ledger.effect(name, done.differences, "done", grown or "no check has more violations than before")


def _grown(done: Migration) -> str:
    return ", ".join(
        f"{d.check_name} {d.before} -> {d.after} ({d.appeared} new)" for d in done.differences if d.grew
    )


def _grant(connection: Session, pack: Pack) -> None:
    for text in _role_files(pack):
        connection.script(text)


def edited_revisions(connection: Session, pack: Pack) -> list[str]:
    """Return a line for each revision whose file is not the one that this database has run."""
    known = Ledger(connection).known()
    return [
        f"{now.file}: revision {now.name} was edited after this database had it on "
        f"{known[now.name].finished_at:%Y-%m-%d %H:%M %Z}; restore the file and write a new revision, or, if "
        f"what it does is the same, run `trueup migrate --accept-edited {now.name}` once"
        for now in _applied(connection, pack)
        if now.name in known and known[now.name].checksum != now.checksum
    ]


def _accept(ledger: Ledger, connection: Session, pack: Pack, names: Iterable[str]) -> None:
    """Write down the checksums of edited revisions that somebody answers for."""
    applied = {revision.name: revision for revision in _applied(connection, pack)}
    known = ledger.known()
    for name in names:
        if name not in applied:
            raise CatalogError(f"--accept-edited {name}: this database has run no revision of this name")
        if name in known and known[name].checksum != applied[name].checksum:
            ledger.record("edit accepted", applied[name], detail=f"was {known[name].checksum}")


def _applied(connection: Session, pack: Pack) -> list[Revision]:
    """Return the revisions that the database has, oldest first, as their files are now."""
    missing = set(pending_revisions(connection, pack))
    return [
        described(script.name, script.path, pack.root) for script in walk(pack) if script.name not in missing
    ]


def host_sql(pack: Pack) -> str | None:
    """Return the SQL of the host revision; None when the pack has none."""
    found = sorted((pack.root / "migrations" / "versions").glob("0001_*.up.sql"))
    return packs.readable(found[0]) if found else None


def refuse_unadopted(connection: Session, pack: Pack) -> None:
    """Raise DatabaseError when the application's tables are there and nobody has adopted them."""
    if is_adopted(connection, pack) or not (text := host_sql(pack)):
        return
    tables = host_tables(text)
    present = connection.values("tables_present", schema=pack.schema, names=tables)
    if present:
        raise DatabaseError(
            f"this database already holds {', '.join(present)}; run `trueup adopt` to see how they compare, "
            "then `trueup adopt --apply`"
        )
    if elsewhere := other_schemas(connection, tables):
        raise DatabaseError(
            f"this database already holds the application's tables, in schema {' and '.join(elsewhere)}; run "
            f"`trueup adopt --host-schema {elsewhere[0]}` to see how they compare"
        )


def hidden_tables(connection: Session, names: Iterable[str]) -> list[Hidden]:
    """Return those of the tables on which row-level security applies to the role that is connected.

    The views belong to that role, so that what is hidden from it is hidden from every check.
    """
    return connection.rows("hidden_tables", Hidden, names=list(names))


def _refuse_hidden(connection: Session, pack: Pack) -> None:
    """Raise DatabaseError when policies hide rows of the application from the checks."""
    text = host_sql(pack)
    names = {f"{pack.schema}.{table}" for table in host_tables(text)} if text else set()
    names |= {population.table for check in pack.checks for population in check.populations}
    names |= {source.table for check in pack.checks for source in check.sources}
    hidden = hidden_tables(connection, sorted(name for name in names if not name.startswith(f"{SCHEMA}.")))
    if hidden:
        lines = [f"  {table.what}\n    {table.mend}" for table in hidden]
        raise DatabaseError("\n".join(["rows are hidden from this role; nothing was changed", *lines]))


def other_schemas(connection: Session, tables: list[str]) -> list[str]:
    """Return the schemas that hold most of these tables."""
    return connection.values("schemas_with_tables", names=tables)


def host_tables(text: str) -> list[str]:
    """Return the names of the tables that the host revision creates."""
    return re.findall(r"^create table (\w+)(?![\w.])", text, re.M)


def declared_keys(connection: Session, pack: Pack) -> dict[str, str]:
    """Return the key columns of the host revision's tables, when the catalogue may not tell them.

    Partitioned tables have more columns in their primary key, foreign tables and views have none.
    """
    text = host_sql(pack)
    if not text or not connection.value("has_unusual_tables", schema=pack.schema, names=host_tables(text)):
        return {}
    with expected_tables(connection, text):
        found = connection.rows("declared_keys", _DeclaredKey)
    return {f"{pack.schema}.{key.name}": key.key_column for key in found}


@contextmanager
def expected_tables(connection: Session, text: str) -> Iterator[None]:
    """Have the tables of the host revision in pg_temp, inside the block."""
    with connection.transaction(rollback=True):
        connection.set_local("search_path", "pg_temp")
        connection.script(text)
        connection.set_local("search_path", "pg_catalog")
        yield


def stamp(database: str | None, pack: Pack, revision: str) -> None:
    """Record a revision as done without running it."""
    with session(database, "stamp") as connection:
        _command(connection, database, pack, "stamp", revision, Ledger(connection))


def rollback(
    revision: str, *, database: str | None = None, pack: Path | None = None, wait: float = WAIT
) -> Migration:
    """Take the database down to `revision`, views and triggers first; `migrate` brings it up again.

    Raises UsageError, with nothing changed, when there is no such revision below the database's.
    """
    loaded = packs.load(pack)
    with session(database, "rollback") as connection, one_at_a_time(database, wait):
        loaded = fitted(connection, loaded)
        refuse_foreign(connection)
        refuse_newer(connection, loaded)
        refuse_no_target(connection, loaded, revision)
        limit_waiting(connection)
        ledger = Ledger(connection)
        ledger.close_interrupted()
        was = deploy.remembered(connection)
        changes = retried(
            connection,
            lambda: deploy.undeploy(connection, loaded),
            lambda: "while dropping views and triggers",
            states=_OF_VIEWS,
        )
        before = current(connection)
        try:
            _command(connection, database, loaded, "downgrade", revision, ledger)
        except MigrationError:
            # no revision was taken back, for want of a lock for instance
            if current(connection) == before:
                retried(
                    connection,
                    lambda: deploy.put_back(connection, was),
                    lambda: "while putting views and triggers back",
                    states=_OF_VIEWS,
                )
                retried(connection, lambda: _grant(connection, loaded), lambda: "while granting rights")
            raise
        gone = [name for name in before if name not in current(connection)]
    return Migration(tuple(gone), tuple(changes))


def run_sql(script: str, direction: str, search_path: str | None = None) -> None:
    """Run the .sql file beside a revision; called by revisions only.

    Views, functions and triggers of ours that rest on a column it alters go and come back.
    """
    from alembic import context, op

    attributes = context.config.attributes
    pack: Pack = attributes["pack"]
    text = pack.written(Path(script).with_suffix(f".{direction}.sql").read_text(encoding="utf-8"))
    if search_path:
        search_path = pack.schema if search_path == packs.PUBLIC else search_path
        text = f"set local search_path = {search_path};\n{text}\nset local search_path = pg_catalog;\n"
    if context.is_offline_mode():
        # as it is: op.execute would take a colon for a parameter, and double each per cent sign
        op.get_context().impl.static_output(text)
        return
    if ledger := attributes.get("ledger"):
        name = next(r.revision for r in context.script.walk_revisions() if Path(r.path) == Path(script))
        ledger.begin(_KINDS[direction], described(name, Path(script), attributes["root"]))
    bind = op.get_bind()
    driver = bind.connection.driver_connection
    assert driver is not None
    connection = Session(driver)
    # opens the transaction of the revision, if that is not open yet
    connection.value("backend_pid")
    run_script(connection, text)
    attributes["warnings"] += connection.warnings


def run_environment() -> None:
    """Run Alembic's environment for a pack; called by migrations/env.py only."""
    from alembic import context

    options: dict[str, Any] = {
        "version_table": VERSION_TABLE,
        "version_table_schema": SCHEMA,
        "transaction_per_migration": True,
        "on_version_apply": _note_revision,
    }
    if context.is_offline_mode():
        context.configure(dialect_name="postgresql", literal_binds=True, **options)
        # of its own accord Alembic knows of no more than one starting point
        present = context.config.attributes["present"]
        setattr(context.get_context(), "get_current_heads", lambda: present)  # noqa: B010
        with context.begin_transaction():
            context.run_migrations()
        return
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, **options)
    with context.begin_transaction():
        context.run_migrations()


def _note_revision(ctx: Any, step: Any, **_: Any) -> None:
    """Write a revision into the ledger, in the transaction that ran it."""
    if ctx.as_sql:
        return
    attributes = ctx.config.attributes
    driver = ctx.connection.connection.driver_connection
    direction = "stamp" if step.is_stamp else "up" if step.is_upgrade else "down"
    for script in (step.revision_map.get_revision(name) for name in step.up_revision_ids):
        revision = described(script.revision, Path(script.path), attributes["root"])
        attributes["ledger"].done(Session(driver), _KINDS[direction], revision)


def _upgrade(connection: Session, database: str | None, pack: Pack, ledger: Ledger) -> list[str]:
    missing = pending_revisions(connection, pack)
    if missing:
        connection.script(f"create schema if not exists {SCHEMA}")
        for target in TARGETS:
            _command(connection, database, pack, "upgrade", target, ledger)
    for revision in _unknown(connection, pack, ledger):
        ledger.record("found", revision, detail="was there before the ledger")
    return missing


def _unknown(connection: Session, pack: Pack, ledger: Ledger) -> list[Revision]:
    """Return the revisions that the database has and the ledger does not name."""
    known = ledger.known()
    return [revision for revision in _applied(connection, pack) if revision.name not in known]


def _command(
    connection: Session, database: str | None, pack: Pack, name: str, revision: str, ledger: Ledger
) -> None:
    from alembic import command
    from alembic.util.exc import CommandError

    def once() -> None:
        with _engine_connection(connection, database) as bind:
            config = alembic_config(pack)
            config.attributes["connection"] = bind
            config.attributes["ledger"] = ledger
            config.attributes["root"] = pack.root
            config.attributes["warnings"] = connection.warnings
            getattr(command, name)(config, revision)

    try:
        retried(connection, once, lambda: f"while running {name} {revision}")
        if name == "downgrade":
            stems = [Path(one.file).name.partition(".")[0] for one in _applied(connection, pack)]
            backfilling.forget(connection, stems)
    except BaseException as error:
        where = f"{name} of {ledger.running}" if ledger.running else f"{name} {revision}"
        ledger.failed(error)
        if isinstance(error, CommandError):
            raise MigrationError(f"{name} {revision}: {error}") from error
        if isinstance(error, ServerSaid):
            raise MigrationError(f"{where}: {explained(error, migrating=True)}") from error
        raise


@contextmanager
def _engine_connection(main: Session, database: str | None) -> Iterator[Any]:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    def creator() -> Any:
        driver = connect(database, "migrate")
        driver.execute(f"set lock_timeout = '{main.lock_timeout}'".encode())
        driver.autocommit = False
        main.pids.append(driver.info.backend_pid)
        return driver

    engine = create_engine("postgresql+psycopg://", creator=creator, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
            connection.commit()
    except DBAPIError as error:
        raise error.orig if isinstance(error.orig, ServerSaid) else error from error
    finally:
        engine.dispose()


def _dry_run(connection: Session, pack: Pack, keep_drift: bool) -> Migration:
    """Carry everything out in one transaction, writing down what is sent, and roll it back."""
    present = current(connection)
    missing = pending_revisions(connection, pack)
    text = [f"set lock_timeout = '{connection.lock_timeout}'"]
    changes: list[Change] = []
    keys = declared_keys(connection, pack)
    with connection.transaction(rollback=True):
        connection.set_local("lock_timeout", connection.lock_timeout)
        with connection.recording() as sent:
            if missing:
                connection.script(f"create schema if not exists {SCHEMA}")
                for statement in _offline(pack, present):
                    # Alembic writes a transaction around each revision; here there is one around all
                    if bare(statement).lower() in ("begin", "commit"):
                        sent.append(statement)
                        connection.begin_part()
                    else:
                        run_statement(connection, statement)
            ledger = Ledger(connection)
            for revision in _unknown(connection, pack, ledger):
                if revision.name in missing:
                    ledger.record("revision", revision, detail="by psql")
                else:
                    ledger.record("found", revision, detail="was there before the ledger")
        text += sent
        with connection.recording() as sent:
            connection.run("forget_found_columns")
        now = fitted(connection, packs.load(pack.root))
        if now.left != pack.left:
            text += sent
            pack = now
        lookups: list[Change] = []

        def build_lookups() -> list[Change]:
            lookups[:] = _constraints(connection, sent, keep_drift, deploy.is_lookup)
            return lookups

        with connection.recording() as sent:
            changes += deploy.deploy(
                connection, pack, keys, keep_drift=keep_drift, before_triggers=build_lookups
            )
        if any(change.action != "keep" for change in changes):
            text += sent
        # they are not there yet, because nothing is built here
        planned = {change.what for change in lookups}
        changes += _constraints(connection, text, keep_drift, lambda state: state.name not in planned)
    fills = backfilling.pending(connection, pack)
    changes += [Change("backfill", fill.name, fill.table) for fill in fills]
    work = missing or any(change.action != "keep" for change in changes)
    if work:
        text += [*_role_files(pack), *(backfilling.script(fill) for fill in fills)]
    script = _REHEARSED + "".join(f"{part.strip().rstrip(';')};\n\n" for part in text) if work else ""
    return Migration(tuple(missing), tuple(changes), script, tuple(connection.warnings))


def _constraints(
    connection: Session, text: list[str], keep_drift: bool, wanted: Callable[[ConstraintState], bool]
) -> list[Change]:
    """Append what adds the constraints and indexes wanted to a script; return what it does."""
    found = connection.values("record_constraints_found")
    changes = [Change("keep", name, deploy.FOUND) for name in found]
    if found:
        text.append(connection.spelled("record_constraints_found"))
    for state in connection.rows("constraint_states", ConstraintState):
        if not wanted(state):
            continue
        if keep_drift and state.state == "different":
            changes.append(Change("keep", state.name, deploy.BY_HAND))
        elif statements := deploy.statements(connection, state, build=False):
            changes.append(Change("add", state.name))
            begun = {"name": state.name, "checksum": packs.checksum(state.definition), "version": __version__}
            text.append(connection.spelled("begin_constraint", **begun))
            text += [_with_lock(one, state) for one in statements]
            text.append(connection.spelled("record_constraint", name=state.name))
            ended = {"name": state.name, "outcome": "done", "detail": "by psql"}
            text.append(connection.spelled("end_constraint", **ended))
    return changes


def rehearse_adoption(
    connection: Session, pack: Pack, revision: str, columns: list[str], *, database: str | None, wait: float
) -> Migration:
    """Return what an adoption would do, carried out and rolled back; its SQL is ready for psql."""
    version = f"{SCHEMA}.{VERSION_TABLE}"
    with (
        one_at_a_time(database, wait),
        translated(migrating=True),
        connection.transaction(rollback=True),
    ):
        limit_waiting(connection)
        connection.set_local("lock_timeout", connection.lock_timeout)
        with connection.recording() as sent:
            connection.script(f"create schema if not exists {SCHEMA}")
            note_application(connection, pack, columns)
            connection.script(
                f"create table if not exists {version} (version_num varchar(32) not null, "
                f"constraint {VERSION_TABLE}_pkc primary key (version_num))"
            )
            connection.script(f"insert into {version} values ({literal(revision)})")
        done = _dry_run(connection, pack, False)
    return replace(done, sql="".join(f"{part.strip().rstrip(';')};\n\n" for part in sent) + done.sql)


def _with_lock(statement: str, state: ConstraintState) -> str:
    """Return a statement of a constraint below a comment with its lock, which is not taken in a rehearsal."""
    lock = lock_of(statement)
    return f"-- locks: {lock[0]} on {state.table_name}\n{statement}" if lock else statement


def _offline(pack: Pack, present: Iterable[str]) -> Iterator[str]:
    """Yield the statements that bring a database at these revisions to the heads."""
    from alembic import command

    *_, core = (script.name for script in walk(pack) if script.is_core)
    for target in TARGETS:
        revisions = StringIO()
        config = alembic_config(pack, revisions)
        config.attributes["present"] = present
        command.upgrade(config, target, sql=True)
        yield from texts(revisions.getvalue())
        present = (*(name for name in present if not name.startswith("core_")), core)


@contextmanager
def at_head(connection: Session, pack: Pack) -> Iterator[None]:
    """Have the pack deployed inside the block, all in one transaction that is rolled back.

    In a database that is to be thrown away: its tables are locked meanwhile. Tables of the
    application that nobody has adopted are taken as they are.
    """
    text = host_sql(pack)
    with connection.transaction(rollback=True):
        connection.set_local("lock_timeout", connection.lock_timeout)
        connection.script(f"create schema if not exists {SCHEMA}")
        first = first_revision(pack)
        is_foreign = text and connection.values("tables_present", schema=pack.schema, names=host_tables(text))
        if first and is_foreign and not is_adopted(connection, pack):
            stamped = f"{SCHEMA}.{VERSION_TABLE}"
            connection.script(f"create table if not exists {stamped} (version_num varchar(32) primary key)")
            connection.script(f"insert into {stamped} values ({literal(first)})")
        present = current(connection)
        if pending_revisions(connection, pack):
            for statement in _offline(pack, present):
                if bare(statement).lower() not in ("begin", "commit"):
                    run_statement(connection, statement)
        deploy.deploy(connection, pack, declared_keys(connection, pack))
        yield


def _role_files(pack: Pack) -> Iterator[str]:
    for root in (CORE, pack.root):
        path = root / "db" / "roles.sql"
        if path.is_file():
            yield pack.written(packs.readable(path))


def _refuse_read_only(connection: Session) -> None:
    if connection.value("is_read_only"):
        raise DatabaseError(
            "the database is read only (a standby, or default_transaction_read_only); connect to the primary"
        )
