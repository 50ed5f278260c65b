"""Bring a database to head: revisions through Alembic, then the files, then constraints.

The only module that imports alembic and sqlalchemy, and it imports them when used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup import deploy, packs
from trueup.errors import DatabaseError, MigrationError
from trueup.locks import one_at_a_time, retried
from trueup.model import Change, ConstraintState, Migration
from trueup.packs import CORE, Pack
from trueup.store import LOCK_TIMEOUT, SCHEMA, ServerSaid, Session, connect, explained, literal, session

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory


VERSION_TABLE = "alembic_version"
WAIT = 60.0
_REVISION = re.compile(r"""^revision(?:\s*:[^=\n]+)?\s*=\s*["']([^"']+)["']""", re.M)


@dataclass(frozen=True)
class _DeclaredKey:
    name: str
    key_column: str


def migrate(
    *, database: str | None = None, pack: Path | None = None, dry_run: bool = False, wait: float = WAIT
) -> Migration:
    """Bring the database to head and return what was done; a second call does nothing.

    With `dry_run`, carry it out in one transaction, roll it back, and return in `sql` what
    would run, ready for psql.
    Raises DatabaseError when the database is ahead of the pack, or holds tables of an
    application that were never adopted; MigrationError when a lock is not granted.
    """
    loaded = packs.load(pack)
    with session(database, "migrate") as connection:
        _refuse_read_only(connection)
        refuse_newer(connection, loaded)
        refuse_unadopted(connection, loaded)
        if dry_run:
            with one_at_a_time(database, wait):
                return _dry_run(connection, loaded)
        with one_at_a_time(database, wait):
            revisions = _upgrade(connection, database, loaded)
            keys = declared_keys(connection, loaded)
            changes = retried(
                lambda: deploy.deploy(connection, loaded, keys), lambda: "while deploying views and triggers"
            )
            changes += deploy.add_constraints(connection)
            changes += deploy.left_out(connection, loaded)
            for text in _role_files(loaded):
                connection.script(text)
        return Migration(tuple(revisions), tuple(changes), warnings=tuple(connection.warnings))


def pending_revisions(connection: Session, pack: Pack) -> list[str]:
    """Return the revisions of the core and of the pack that the database lacks, oldest first."""
    scripts = _scripts(pack)
    wanted = [script.revision for script in scripts.walk_revisions()]
    had: set[str] = set()
    left = list(current(connection))
    while left:
        script = scripts.get_revision(left.pop())
        had.add(script.revision)
        left += [
            name for name in (*_names(script.down_revision), *_names(script.dependencies)) if name not in had
        ]
    return [name for name in reversed(wanted) if name not in had]


def current(connection: Session) -> tuple[str, ...]:
    """Return the revisions the database is at; none for one that has no trueup."""
    if not connection.value("has_versions"):
        return ()
    return tuple(connection.values("versions"))


def first_revision(pack: Pack) -> str | None:
    """Return the pack's host revision, which adopt stamps; None for a pack without revisions."""
    directory = pack.root / "migrations" / "versions"
    for script in _scripts(pack).walk_revisions():
        if script.down_revision is None and Path(script.path).parent.resolve() == directory.resolve():
            return str(script.revision)
    return None


def host_sql(pack: Pack) -> str | None:
    """Return the SQL of the host revision; None when the pack has none."""
    found = sorted((pack.root / "migrations" / "versions").glob("0001_*.up.sql"))
    return packs.readable(found[0]) if found else None


def refuse_unadopted(connection: Session, pack: Pack) -> None:
    """Raise DatabaseError when the application's tables are there and nobody has adopted them."""
    if is_adopted(connection, pack) or not (text := host_sql(pack)):
        return
    present = connection.values("tables_present", names=host_tables(text))
    if present:
        raise DatabaseError(
            f"this database already holds {', '.join(present)}; run `trueup adopt` to see how they compare, "
            "then `trueup adopt --apply`"
        )


def host_tables(text: str) -> list[str]:
    """Return the names of the tables that the host revision creates."""
    return re.findall(r"^create table (\w+)", text, re.M)


def declared_keys(connection: Session, pack: Pack) -> dict[str, str]:
    """Return the key columns of the host revision's tables, when the catalogue may not tell them.

    Partitioned tables have more columns in their primary key, foreign tables and views have none.
    """
    text = host_sql(pack)
    if not text or not connection.value("has_unusual_tables", names=host_tables(text)):
        return {}
    with expected_tables(connection, text):
        found = connection.rows("declared_keys", _DeclaredKey)
    return {f"public.{key.name}": key.key_column for key in found}


@contextmanager
def expected_tables(connection: Session, text: str) -> Iterator[None]:
    """Have the tables of the host revision in pg_temp, inside the block."""
    with connection.transaction(rollback=True):
        connection.set_local("search_path", "pg_temp")
        connection.script(text)
        connection.set_local("search_path", "pg_catalog")
        yield


def is_adopted(connection: Session, pack: Pack) -> bool:
    """Say whether the pack's host revision was run or stamped."""
    return first_revision(pack) not in (None, *pending_revisions(connection, pack))


def refuse_newer(connection: Session, pack: Pack) -> None:
    """Raise DatabaseError when the database is at a revision that this package does not know."""
    spelled = _spelled_revisions(pack)
    unknown = [revision for revision in current(connection) if revision not in spelled]
    if unknown:
        known = {script.revision for script in _scripts(pack).walk_revisions()}
        unknown = [revision for revision in unknown if revision not in known]
    if unknown:
        raise DatabaseError(
            f"the database is at revision {', '.join(unknown)}, which this package does not know; "
            "upgrade trueup (pip install -U trueup), or name the pack it was migrated with"
        )
    deployed = connection.values("deployed_checks") if connection.value("has_trueup") else []
    if deployed and not {check.name for check in pack.checks if not check.is_core} & set(deployed):
        raise DatabaseError(
            f"the database was migrated with another pack (its checks: {', '.join(deployed[:3])} ...); "
            "name it with --pack or TRUEUP_PACK"
        )


def _spelled_revisions(pack: Pack) -> set[str]:
    """Return the revisions whose files say so in so many words.

    Every command asks, and most have no other need of Alembic, which takes longer to import than they run.
    """
    return {
        match[1]
        for root in (CORE, pack.root)
        for path in (root / "migrations" / "versions").glob("*.py")
        if (match := _REVISION.search(packs.readable(path)))
    }


def stamp(database: str | None, pack: Pack, revision: str) -> None:
    """Record a revision as done without running it."""
    _command(database, pack, "stamp", revision)


def rollback(
    revision: str, *, database: str | None = None, pack: Path | None = None, wait: float = WAIT
) -> Migration:
    """Take the database down to `revision`, views and triggers first; `migrate` brings it up again."""
    loaded = packs.load(pack)
    with session(database, "rollback") as connection, one_at_a_time(database, wait):
        refuse_newer(connection, loaded)
        changes = retried(
            lambda: deploy.undeploy(connection, loaded), lambda: "while dropping views and triggers"
        )
        before = current(connection)
        _command(database, loaded, "downgrade", revision)
        gone = [name for name in before if name not in current(connection)]
    return Migration(tuple(gone), tuple(changes))


def run_sql(script: str, direction: str, search_path: str | None = None) -> None:
    """Run the .sql file beside a revision; called by revisions only."""
    from alembic import context, op

    text = Path(script).with_suffix(f".{direction}.sql").read_text(encoding="utf-8")
    if search_path:
        text = f"set local search_path = {search_path};\n{text}\nset local search_path = pg_catalog;\n"
    if context.is_offline_mode():
        op.execute(text)
        return
    bind = op.get_bind()
    driver = bind.connection.driver_connection
    assert driver is not None
    driver.execute(text.encode())


def run_environment() -> None:
    """Run Alembic's environment for a pack; called by migrations/env.py only."""
    from alembic import context

    options: dict[str, Any] = {
        "version_table": VERSION_TABLE,
        "version_table_schema": SCHEMA,
        "transaction_per_migration": True,
    }
    if context.is_offline_mode():
        context.configure(dialect_name="postgresql", literal_binds=True, **options)
        with context.begin_transaction():
            context.run_migrations()
        return
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, **options)
    with context.begin_transaction():
        context.run_migrations()


def _config(pack: Pack, output: StringIO | None = None) -> Config:
    from alembic.config import Config

    config = Config(output_buffer=output) if output else Config()
    locations = [CORE / "migrations" / "versions"]
    own = pack.root / "migrations"
    if (own / "versions").is_dir():
        locations.append(own / "versions")
    config.set_main_option("script_location", _escaped(CORE / "migrations"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(_escaped(path) for path in locations))
    return config


def _names(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


def _scripts(pack: Pack) -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config(pack))


def _upgrade(connection: Session, database: str | None, pack: Pack) -> list[str]:
    missing = pending_revisions(connection, pack)
    if missing:
        connection.script(f"create schema if not exists {SCHEMA}")
        _command(database, pack, "upgrade", "heads")
    return missing


def _command(database: str | None, pack: Pack, name: str, revision: str) -> None:
    from alembic import command
    from alembic.util.exc import CommandError

    def once() -> None:
        with _engine_connection(database) as connection:
            config = _config(pack)
            config.attributes["connection"] = connection
            getattr(command, name)(config, revision)

    try:
        retried(once, lambda: f"while running {name} {revision}")
    except CommandError as error:
        raise MigrationError(f"{name} {revision}: {error}") from error
    except ServerSaid as error:
        raise MigrationError(f"{name} {revision}: {explained(error)}") from error


@contextmanager
def _engine_connection(database: str | None) -> Iterator[Any]:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    def creator() -> Any:
        driver = connect(database, "migrate")
        driver.execute(f"set lock_timeout = '{LOCK_TIMEOUT}'".encode())
        driver.autocommit = False
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


def _dry_run(connection: Session, pack: Pack) -> Migration:
    """Carry everything out in one transaction, writing down what is sent, and roll it back."""
    from alembic import command

    present = current(connection)
    missing = pending_revisions(connection, pack)
    text = [f"set lock_timeout = '{LOCK_TIMEOUT}'"]
    changes: list[Change] = []
    revisions = StringIO()
    keys = declared_keys(connection, pack)
    if missing:
        revisions.write(f"create schema if not exists {SCHEMA};\n\n")
        command.upgrade(
            _config(pack, revisions), f"{','.join(present)}:heads" if present else "heads", sql=True
        )
        text.append(revisions.getvalue().strip())
    with connection.transaction(rollback=True):
        # Alembic writes a transaction around each revision; here there is one around all
        connection.script(re.sub(r"^(BEGIN|COMMIT);$", "", revisions.getvalue(), flags=re.M))
        with connection.recording() as sent:
            changes += deploy.deploy(connection, pack, keys)
        if changes:
            text += ["begin", *sent, "commit"]
        for state in connection.rows("constraint_states", ConstraintState):
            statements = deploy.statements(connection, state, build=False)
            if statements:
                changes.append(Change("add", state.name))
                text += [*statements, connection.spelled("record_constraint", name=state.name)]
    if missing or changes:
        text += list(_role_files(pack))
    script = "".join(f"{part.strip().rstrip(';')};\n\n" for part in text) if missing or changes else ""
    return Migration(tuple(missing), tuple(changes), script)


@contextmanager
def at_head(connection: Session, pack: Pack) -> Iterator[None]:
    """Have the pack deployed inside the block, all in one transaction that is rolled back.

    In a database that is to be thrown away: its tables are locked meanwhile. Tables of the
    application that nobody has adopted are taken as they are.
    """
    from alembic import command

    text = host_sql(pack)
    with connection.transaction(rollback=True):
        connection.set_local("lock_timeout", LOCK_TIMEOUT)
        connection.script(f"create schema if not exists {SCHEMA}")
        first = first_revision(pack)
        is_foreign = text and connection.values("tables_present", names=host_tables(text))
        if first and is_foreign and not is_adopted(connection, pack):
            stamped = f"{SCHEMA}.{VERSION_TABLE}"
            connection.script(f"create table if not exists {stamped} (version_num varchar(32) primary key)")
            connection.script(f"insert into {stamped} values ({literal(first)})")
        present = current(connection)
        if pending_revisions(connection, pack):
            revisions = StringIO()
            command.upgrade(
                _config(pack, revisions), f"{','.join(present)}:heads" if present else "heads", sql=True
            )
            # Alembic writes a transaction around each revision; here there is one around all
            connection.script(re.sub(r"^(BEGIN|COMMIT);$", "", revisions.getvalue(), flags=re.M))
        deploy.deploy(connection, pack, declared_keys(connection, pack))
        yield


def _role_files(pack: Pack) -> Iterator[str]:
    for root in (CORE, pack.root):
        path = root / "db" / "roles.sql"
        if path.is_file():
            yield packs.readable(path)


def _refuse_read_only(connection: Session) -> None:
    if connection.value("is_read_only"):
        raise DatabaseError(
            "the database is read only (a standby, or default_transaction_read_only); connect to the primary"
        )
