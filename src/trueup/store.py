"""Everything that talks to PostgreSQL: the only module that imports psycopg.

Statements are files under statements/; a Session sends them by name, in the
transactions that the use cases ask for.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import RowFactory, class_row, dict_row, scalar_row, tuple_row

from trueup.errors import ConnectionLostError, DatabaseError, RefusedError, TrueupError, UsageError
from trueup.scripts import is_function, lock_of
from trueup.tokens import texts

T = TypeVar("T")

SCHEMA = "trueup"
STATEMENTS = Path(__file__).parent / "statements"
OLDEST_SERVER = 15
LOCK_TIMEOUT = "3s"
# what our sessions have, whatever a role, a database or the environment says
SETTINGS = {
    # what is read and sent is UTF-8, and the driver reads the times of this style alone
    "client_encoding": "UTF8",
    "datestyle": "ISO",
    # values inside evidence are text: the same fault must read the same in every session
    "timezone": "UTC",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    # as the definitions in the catalogue are, which are compared with what was deployed
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    # the driver writes NULL in arrays, too
    "array_nulls": "on",
    # who has waited for a lock must see what was written meanwhile
    "default_transaction_isolation": "read committed",
    # what a role's timeouts end must not be a validation, nor a run that waits for another, nor one
    # whose checks others evaluate; checks and what locks tables have timeouts of their own
    "lock_timeout": "0",
    "statement_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    # what is asked once is compiled for longer than it runs: expected rows make plans dear that find none
    "jit": "off",
}
# seconds that one command spends on waiting for locks
LOCK_BUDGET = 300.0
# SQLSTATEs of our own functions begin with TU (db/README.md lists them)
OWN_CLASS = "TU"
# what is no value of a configuration parameter
NO_VALUE = "22023"
# rows that pass through this program wait in memory up to this many bytes, then in a file
IN_MEMORY = 1 << 20
BLOCK = 1 << 16
# as many elements of an array as any plan suits
FEW = 100


@cache
def statement(name: str) -> bytes:
    """Return the text of statements/<name>.sql."""
    return (STATEMENTS / f"{name}.sql").read_bytes()


class Copied(NamedTuple):
    """Rows as COPY writes them, a line each, in a file that is gone when it is closed."""

    file: IO[bytes]
    rows: int

    def blocks(self) -> Iterator[bytes]:
        """Return all of it in pieces."""
        self.file.seek(0)
        return iter(partial(self.file.read, BLOCK), b"")

    def lines(self) -> Iterator[bytes]:
        """Return the rows one by one."""
        self.file.seek(0)
        return iter(self.file)

    def divided(self, names: Iterable[str]) -> dict[str, Copied]:
        """Return the rows by what is in their first column, one of `names`; the whole is gone then."""
        names = list(names)
        if len(names) == 1:
            return {names[0]: self}
        files: dict[bytes, IO[bytes]] = {name.encode(): _spooled() for name in names}
        rows = dict.fromkeys(files, 0)
        for line in self.lines():
            name = line.split(b"\t", 1)[0]
            files[name].write(line)
            rows[name] += 1
        self.file.close()
        return {name.decode(): Copied(file, rows[name]) for name, file in files.items()}


def _spooled() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(IN_MEMORY)


class Session:
    """One connection in autocommit; `transaction()` opens and nests transactions."""

    def __init__(self, connection: psycopg.Connection[Any], database: str | None = None) -> None:
        self.connection = connection
        self.database = database
        self.warnings: list[str] = []
        # how long a statement that locks may wait, and how long all of them together may and did
        self.lock_timeout = LOCK_TIMEOUT
        self.lock_budget = LOCK_BUDGET
        self.waited = 0.0
        # the server processes that work for this session, as the server named them at connection
        self.pids = [connection.info.backend_pid]
        self._recorded: list[str] | None = None
        self._known_relations = ""
        self._carried: dict[str, str] = {}
        self._said: set[str] = set()
        connection.add_notice_handler(self._keep_warning)

    def _keep_warning(self, said: psycopg.errors.Diagnostic) -> None:
        if said.severity_nonlocalized == "WARNING" and said.message_primary:
            self.warnings.append(said.message_primary)

    def _execute(
        self, text: bytes, parameters: Mapping[str, Any] | None, row_factory: RowFactory[Any] = tuple_row
    ) -> psycopg.Cursor[Any]:
        many = {
            name: _array(value)
            for name, value in (parameters or {}).items()
            if isinstance(value, list) and len(value) > FEW
        }
        if parameters and many:
            parameters = {**parameters, **many}
        cursor = self.connection.cursor(row_factory=row_factory)
        # a plan that is kept knows nothing of what an array holds: it is neither counted nor hashed
        return cursor.execute(text, parameters, prepare=False if many else None)

    def run(self, name: str, /, **parameters: Any) -> int:
        """Run a statement file; return the number of rows it touched."""
        if self._recorded is not None:
            self._recorded.append(_uncommented(self.spelled(name, **parameters)))
        return self._execute(statement(name), parameters).rowcount

    def rows(self, name: str, row: type[T], /, **parameters: Any) -> list[T]:
        """Run a statement file; return its rows as instances of `row`, whose fields are their columns."""
        return self._execute(statement(name), parameters, class_row(row)).fetchall()

    def row(self, name: str, row: type[T], /, **parameters: Any) -> T | None:
        """Run a statement file; return its first row, or None."""
        found = self.rows(name, row, **parameters)
        return found[0] if found else None

    def values(self, name: str, /, **parameters: Any) -> list[Any]:
        """Run a statement file of one column; return the column."""
        return self._execute(statement(name), parameters, scalar_row).fetchall()

    def value(self, name: str, /, **parameters: Any) -> Any:
        """Run a statement file of one column; return its first value, or None."""
        found = self.values(name, **parameters)
        return found[0] if found else None

    def record(self, name: str, /, **parameters: Any) -> dict[str, Any]:
        """Run a statement file of one row; return it as a dictionary."""
        (found,) = self.records(name, **parameters)
        return found

    def records(self, name: str, /, **parameters: Any) -> list[dict[str, Any]]:
        """Run a statement file; return its rows as dictionaries."""
        return self._execute(statement(name), parameters or None, dict_row).fetchall()

    def dicts(self, text: str, /, **parameters: Any) -> list[dict[str, Any]]:
        """Run SQL text that a pack or a revision holds; return its rows as dictionaries."""
        cursor = self._execute(text.encode(), parameters or None, dict_row)
        return cursor.fetchall() if cursor.description else []

    def texts(self, text: str, /, **parameters: Any) -> list[str]:
        """Run one statement of SQL text with a column of text; return the column."""
        return self._execute(text.encode(), parameters, scalar_row).fetchall()

    def script(self, text: str) -> None:
        """Run the statements of a file of a pack, without parameters."""
        if self._recorded is None:
            self.connection.execute(text.encode(), prepare=False)
            return
        held = None
        for one in texts(text):
            if is_function(one):
                self.connection.execute(one.encode(), prepare=False)
                self._recorded.append(one)
                continue
            held = self._strong_locks() if held is None else held
            expected = self._carried_lock(one, held)
            self.connection.execute(one.encode(), prepare=False)
            before, held = held, self._strong_locks()
            taken = {*(held.items() - before.items()), *expected}
            self._said |= {relation for relation, _ in taken}
            said = sorted(f"-- locks: {mode} on {relation}\n" for relation, mode in taken)
            self._recorded.append("".join(said) + one)

    def count(self, text: str, /, **parameters: Any) -> int:
        """Run one statement of SQL text; return the number of rows it touched."""
        return self._execute(text.encode(), parameters or None).rowcount

    def counted(self, table: str, predicate: str) -> int:
        """Return how many rows of a table a pack's predicate selects."""
        with self.without_policies():
            ((found,),) = self.tuples(f"select count(*) from {table} where {predicate}")
        return int(found)

    def tuples(self, text: str) -> list[tuple[Any, ...]]:
        """Run one query of SQL text; return its rows."""
        return self.connection.execute(text.encode()).fetchall()

    def copy_out(self, query: str) -> Copied:
        """Return the rows of a query as COPY writes them, in a file that is gone when it is closed.

        Unlike INSERT ... SELECT, the query may run in parallel.
        """
        rows = _spooled()
        try:
            with (
                self.connection.cursor() as cursor,
                cursor.copy(f"copy ({query}) to stdout".encode()) as copy,
            ):
                count = 0
                for row in copy:
                    rows.write(row)
                    count += 1
        except BaseException:
            rows.close()
            raise
        return Copied(rows, count)

    def copy_json(self, query: str, lines: IO[bytes]) -> None:
        """Write each row of a query of one column of jsonb to `lines`, one JSON text a line."""
        # as CSV whose quote and delimiter are characters that JSON spells as escapes
        form = r"(format csv, quote e'\x01', delimiter e'\x02')"
        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"copy ({query}) to stdout with {form}".encode()) as copy,
        ):
            for row in copy:
                lines.write(row)

    def copy_in(self, table: str, rows: Iterable[bytes]) -> None:
        """Read into a table what `copy_out` wrote: its blocks, or some of its lines."""
        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"copy {table} from stdin".encode()) as copy,
        ):
            for some in rows:
                copy.write(some)

    def copy_rows(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Read rows of values into a table."""
        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"copy {table} from stdin".encode()) as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def sibling(self, purpose: str) -> Session:
        """Return another session of the same user on the same server.

        The same address, because a name may stand for several servers.
        """
        info = self.connection.info
        # a socket has no address
        text = make_conninfo(
            conninfo(self.database), host=info.host, port=info.port, hostaddr=info.hostaddr or None
        )
        return Session(connect(text, purpose), text)

    @property
    def is_closed(self) -> bool:
        """Whether the session is gone, closed by us or lost."""
        return self.connection.closed

    @property
    def is_idle(self) -> bool:
        """Whether the session is there and in no transaction."""
        return self.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE

    def cancel(self) -> None:
        """End the statement that another thread runs in this session, if any."""
        with suppress(psycopg.Error):
            self.connection.cancel_safe(timeout=5)

    def close(self) -> None:
        """End the session."""
        self.connection.close()

    @contextmanager
    def transaction(self, *, snapshot: bool | str = False, rollback: bool = False) -> Iterator[None]:
        """Open a transaction, or a savepoint inside one; with `rollback`, undo it at the end.

        With `snapshot`, repeatable read and read only: every statement sees one state,
        and a check view cannot write. The name of an exported snapshot makes it that state.
        What is undone is not among what is recorded.
        """
        before = None if self._recorded is None else len(self._recorded)
        try:
            with self.connection.transaction(force_rollback=rollback):
                if snapshot:
                    self.connection.execute("set transaction isolation level repeatable read, read only")
                if isinstance(snapshot, str):
                    self.connection.execute(f"set transaction snapshot {literal(snapshot)}".encode())
                yield
        except BaseException:
            rollback = True
            raise
        finally:
            if rollback and before is not None and self._recorded is not None:
                del self._recorded[before:]

    def set_local(self, name: str, value: str) -> None:
        """Set a configuration parameter until the end of the transaction."""
        if self._recorded is not None:
            self._recorded.append(f"set local {name} = {literal(value)}")
        self.connection.execute("select set_config(%s, %s, true)", (name, value))

    @contextmanager
    def without_policies(self) -> Iterator[None]:
        """Only read inside: a row that a policy would hide is an error of the server, and not left out."""
        with self.transaction(rollback=True):
            self.set_local("row_security", "off")
            yield

    @contextmanager
    def within(self, timeout: str, *, policies: bool = False) -> Iterator[None]:
        """In a transaction, read for so long at most, without rows that policies hide being left out.

        As `without_policies`, and pg_dump, have it: rather an error. With `policies` they apply.
        """
        self.set_local("statement_timeout", timeout)
        self.set_local("row_security", "on" if policies else "off")
        yield
        # what follows in a transaction around this one reads alerts, which have policies
        self.set_local("row_security", "on")

    def milliseconds(self, timeout: str) -> int:
        """Return a time as the server reads it, 0 for no limit; raise UsageError where it reads none."""
        try:
            with self.transaction(rollback=True):
                self.set_local("statement_timeout", timeout)
                return int(self.value("statement_timeout"))
        except ServerSaid as error:
            if sqlstate(error) != NO_VALUE:
                raise
            raise UsageError(
                f"'{timeout}' is no time as PostgreSQL has it; write 90s, 5min or 1500ms, or 0 for no limit"
            ) from None

    def spelled(self, name: str, /, **parameters: Any) -> str:
        """Return a statement file with its parameters written out, ready for psql."""
        return psycopg.ClientCursor(self.connection).mogrify(statement(name), parameters)

    @contextmanager
    def recording(self) -> Iterator[list[str]]:
        """Keep what `run`, `script` and `set_local` send inside the block, as text for psql.

        Before each statement of a script stand the locks it takes, from SHARE UPDATE
        EXCLUSIVE on, on what was there before the block.
        """
        self._recorded = []
        self._known_relations = self._known_relations or self.value("known_relations")
        self.begin_part()
        try:
            yield self._recorded
        finally:
            self._recorded = None

    @contextmanager
    def part(self) -> Iterator[None]:
        """Open a transaction that is one of its own in what is recorded, too."""
        if self._recorded is None:
            with self.transaction():
                yield
            return
        self._recorded.append("begin")
        self.begin_part()
        with self.transaction():
            yield
        self._recorded.append("commit")

    def begin_part(self) -> None:
        """Say that what is recorded from now on runs in a transaction of its own."""
        self._carried = self._strong_locks()
        self._said = set()

    def _strong_locks(self) -> dict[str, str]:
        found = self.connection.execute(statement("strong_locks"), {"relations": self._known_relations})
        return {relation: mode for mode, relation in found.fetchall()}

    def _carried_lock(self, text: str, held: dict[str, str]) -> set[tuple[str, str]]:
        """Return the lock that cannot be seen to be taken, because the part before still holds it here."""
        if not self._carried or (lock := lock_of(text)) is None:
            return set()
        relation = self.value("relation_name", name=lock[1])
        if relation not in self._carried or relation in self._said or relation not in held:
            return set()
        return {(relation, lock[0])}


@contextmanager
def session(database: str | None, purpose: str) -> Iterator[Session]:
    """Connect to `database` (a libpq URL or string; None: TRUEUP_DATABASE_URL, else libpq's environment).

    Raises DatabaseError when the server cannot be reached or is too old, and turns
    what the server refuses inside the block into errors of our tree.
    """
    with translated():
        connection = connect(database, purpose)
        try:
            yield Session(connection, database)
        finally:
            connection.close()


def conninfo(database: str | None) -> str:
    """Return the connection string meant by `database`; a password in it is never printed."""
    return database or os.environ.get("TRUEUP_DATABASE_URL") or ""


def labelled(database: str | None, name: str, silence: timedelta) -> str:
    """Return the connection string meant by `database`, with a name for pg_stat_activity.

    A server that does not answer for `silence` is lost, unless the string says otherwise.
    """
    text = conninfo(database)
    limits = {
        "keepalives_idle": max(round(silence.total_seconds() / 2), 1),
        "keepalives_interval": max(round(silence.total_seconds() / 6), 1),
        "keepalives_count": 3,
        "tcp_user_timeout": round(silence.total_seconds() * 1000),
    }
    with translated():
        given = conninfo_to_dict(text)
        return make_conninfo(
            text, application_name=name, **{key: item for key, item in limits.items() if key not in given}
        )


def connect(database: str | None, purpose: str) -> psycopg.Connection[Any]:
    """Return an autocommit connection whose application_name says `trueup <purpose>`."""
    text = _named(database, purpose)
    try:
        connection = psycopg.connect(text, autocommit=True)
    except psycopg.OperationalError as error:
        raise _unreachable(error) from error
    try:
        connection.execute(_settings(connection.info.server_version))
    except BaseException:
        connection.close()
        raise
    return connection


async def connect_async(database: str | None, purpose: str) -> psycopg.AsyncConnection[Any]:
    """Do what `connect` does, without blocking."""
    text = _named(database, purpose)
    try:
        connection = await psycopg.AsyncConnection.connect(text, autocommit=True)
    except psycopg.OperationalError as error:
        raise _unreachable(error) from error
    try:
        await connection.execute(_settings(connection.info.server_version))
    except BaseException:
        await connection.close()
        raise
    return connection


def _named(database: str | None, purpose: str) -> str:
    text = conninfo(database)
    try:
        given = conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        raise DatabaseError(
            "the database URL cannot be read; write postgresql://user@host:port/database or key=value pairs"
        ) from None
    defaults = {
        "application_name": f"trueup {purpose}",
        "connect_timeout": "10",
    }
    parameters = {**{key: value for key, value in defaults.items() if key not in given}, **given}
    return make_conninfo("", **parameters)


def _unreachable(error: psycopg.OperationalError) -> ConnectionLostError:
    return ConnectionLostError(
        f"cannot reach the database: {_brief(str(error))}\n"
        "name it with --database URL, TRUEUP_DATABASE_URL, or libpq's PGHOST, PGDATABASE, PGSERVICE ..."
    )


def _settings(server_version: int) -> sql.Composed:
    if server_version < OLDEST_SERVER * 10000:
        version = server_version // 10000
        raise DatabaseError(f"the server is PostgreSQL {version}; trueup needs {OLDEST_SERVER} or newer")
    settings = dict(SETTINGS)
    if server_version >= 170000:
        settings["transaction_timeout"] = "0"
    return sql.SQL("select {}").format(
        sql.SQL(", ").join(
            sql.SQL("set_config({}, {}, false)").format(name, text) for name, text in settings.items()
        )
    )


def refuse_foreign(session: Session) -> None:
    """Raise DatabaseError unless the database has trueup."""
    if not session.value("has_trueup"):
        raise DatabaseError(
            "this is not a trueup database (no schema trueup); run `trueup migrate`, or `trueup adopt` for "
            "one that already holds an application's tables"
        )


@contextmanager
def translated(*, migrating: bool = False) -> Iterator[None]:
    """Turn psycopg's errors into errors that say what, where, and what to do next."""
    try:
        yield
    except psycopg.Error as error:
        raise explained(error, migrating=migrating) from error


def explained(error: psycopg.Error, *, migrating: bool = False) -> TrueupError:
    """Return the error of our tree for what the server said.

    While `migrating`, what is not there cannot be had by a migration.
    """
    state = error.sqlstate or ""
    diagnostic = error.diag
    message = diagnostic.message_primary or _brief(str(error))
    hint = diagnostic.message_hint
    if state.startswith(OWN_CLASS):
        return RefusedError(f"{message}\n{hint}" if hint else message, state, diagnostic.message_detail)
    if state == "25006":
        return DatabaseError(
            f"the database is read only ({message}); connect to the primary, or to a session without "
            "default_transaction_read_only"
        )
    if state == "42501" and "must be owner" in message:
        return DatabaseError(
            f"{message}; connect as the role that owns the application's tables (db/README.md)"
        )
    if state == "42501":
        return DatabaseError(f"{message}; connect as a role that may, see db/roles.sql")
    is_ours = re.search(r'trueup\.|"trueup"|column \w+\.', message)
    if state in ("3F000", "42P01", "42883", "42703") and is_ours and not migrating:
        return DatabaseError(
            f"this database has no complete trueup ({message}); run `trueup migrate`, or `trueup adopt` "
            "first when it holds tables of an application"
        )
    if state == "55P03":
        return DatabaseError(f"a lock was not granted in time ({message}); nothing was changed, try again")
    if isinstance(error, psycopg.OperationalError) and not state:
        return ConnectionLostError(f"the connection was lost: {_brief(str(error))}")
    if state.startswith(("57P", "08")):
        return ConnectionLostError(f"the connection was lost: {message}")
    more = "; ".join(part for part in (diagnostic.message_detail, hint) if part)
    return TrueupError(f"{message} (SQLSTATE {state})" + (f"\n{more}" if more else ""))


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE of a psycopg error, else None."""
    return error.sqlstate if isinstance(error, psycopg.Error) else None


ServerSaid = psycopg.Error


def quoted(*names: str) -> str:
    """Return a qualified identifier, each part quoted as the server needs it."""
    return sql.Identifier(*names).as_string(None)


def literal(value: str) -> str:
    """Return text as an SQL literal."""
    return sql.Literal(value).as_string(None)


def _uncommented(text: str) -> str:
    return re.sub(r"\A(?:--[^\n]*\n)+", "", text)


def _array(values: list[Any]) -> str | list[Any]:
    """Return texts as one literal of an array, where the driver would write each of them by itself."""
    try:
        inside = '","'.join(values)
    except TypeError:
        return values
    plain = inside.count('"') == 2 * (len(values) - 1) and "\\" not in inside
    return f'{{"{inside}"}}' if plain else values


def brief(error: psycopg.Error) -> str:
    """Return what a psycopg error says, in one line and without a password."""
    return _brief(str(error))


def _brief(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    kept = re.sub(r"(?i)password=\S+", "password=***", "; ".join(lines) or "no reason given")
    return kept.removeprefix("connection failed: ")
