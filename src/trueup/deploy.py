"""Make the catalogue equal to the files: views, functions and triggers, then constraints.

Views, functions and triggers hold no data and are deployed in one transaction; triggers that are
all new, as at the first adoption, in one for each file.
Constraints and indexes are added one at a time, each in a statement of its own, so
that an interrupted run is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeVar

from trueup import tracking
from trueup.errors import CatalogError, MigrationError
from trueup.ledger import Ledger
from trueup.locks import patiently
from trueup.packs import Check, Pack, SqlFile, SqlObject, checksum, plain
from trueup.store import ServerSaid, Session, literal, quoted, sqlstate

T = TypeVar("T")

GENERATED = "(generated from the headers of checks/)"
INDEX_LOCK_TIMEOUT = "10min"
# the server's answers to a replaced view or function whose columns or arguments differ
NOT_REPLACEABLE = {"42P16", "42P13"}
# its answer to a drop of what something else rests on
DEPENDED_ON = "2BP01"
# the class of its answers to what it does not understand: a name that is not there, a word out of place
NOT_UNDERSTOOD = "42"
# a lock not granted, a deadlock, an end of the session: nothing that the SQL is to blame for
AGAIN = ("55P", "40", "57")
# of an object of ours that somebody changed; one that is missing is not kept, others may rest on it
CHANGED_BY_HAND = ("different", "disabled")
BY_HAND = "changed by hand; left as it is"
FOUND = "was there before; taken as the application's own"


@dataclass(frozen=True)
class Change:
    """One thing a deployment, an adoption or an enforcement did, would do, or left alone."""

    action: str
    what: str
    detail: str = ""


@dataclass(frozen=True)
class ObjectState:
    """A view, function or trigger of ours; state is deployed, missing, different or disabled.

    Not of the current release: deployed before a major upgrade of the server, so that
    what the catalogue prints cannot be compared.
    """

    kind: str
    identity: str
    file: str
    file_checksum: str
    state: str
    is_current_release: bool


@dataclass(frozen=True)
class ConstraintState:
    """A constraint or index of ours on an application's table.

    state is valid, not valid, missing, different, invalid (an unfinished index), or left
    out, because it cannot be there; `left_out` is the reason. One that must be built
    cannot be added NOT VALID. One that was there is the application's own.
    """

    name: str
    table_name: str
    kind: str
    definition: str
    check_name: str | None
    waits_for: str | None
    state: str
    left_out: str | None
    is_partitioned: bool
    must_be_built: bool
    was_there: bool


@dataclass(frozen=True)
class Entity:
    """An entity type: the table that holds it, and the checks that judge it."""

    entity_type: str
    table_name: str
    key_column: str
    key_type: str
    checks: list[str]


@dataclass(frozen=True)
class Named:
    """A trigger and its table."""

    table_name: str
    name: str


@dataclass(frozen=True)
class DistantTable:
    """A table whose rows are not in this database, and how one knows."""

    table_name: str
    reason: str


class _Read(NamedTuple):
    check_name: str
    table_name: str


@dataclass(frozen=True)
class Remembered:
    """A view, function or trigger of ours, and the statement that creates it as it is."""

    kind: str
    identity: str
    file: str
    file_checksum: str
    up: str


class _AmbiguousJournal(NamedTuple):
    table_name: str
    primary_key: list[str]


class _Partition(NamedTuple):
    schema_name: str
    name: str
    parent_schema: str
    parent_name: str
    is_direct: bool
    is_partitioned: bool


def pending_files(
    session: Session, pack: Pack, states: Mapping[tuple[str, str], ObjectState]
) -> list[tuple[SqlFile, str]]:
    """Return the files that a deployment would run over what `object_states` found, each with the reason."""
    distant = distant_tables(session, pack.objects)
    found = []
    for file in pack.files:
        reasons = [
            _outdated(item, file.checksum, states.get((item.kind, item.identity)))
            for item in file.objects
            if item.table not in distant
        ]
        if reason := next((text for text in reasons if text), ""):
            found.append((file, reason))
    return found


def object_states(session: Session) -> dict[tuple[str, str], ObjectState]:
    """Return what was deployed, by kind and identity; nothing when the layer cannot tell."""
    if not session.value("can_read_states"):
        return {}
    return {(state.kind, state.identity): state for state in session.rows("object_states", ObjectState)}


def distant_tables(session: Session, triggers: Iterable[SqlObject]) -> dict[str, str]:
    """Return the tables of the triggers whose rows are not in this database, with the reasons.

    No trigger of ours can stand there; see the view trueup.distant_tables.
    """
    if not session.value("has_distant_tables"):
        return {}
    names = sorted({item.table for item in triggers if item.table})
    found = session.rows("distant_tables", DistantTable, names=names)
    return {table.table_name: table.reason for table in found}


def left_out(session: Session, pack: Pack) -> list[Change]:
    """Return the triggers and constraints that cannot be in this database, each with the reason."""
    triggers = list(pack.objects)
    for table in tracking.watched(session, pack.checks):
        if not table.is_trackable:
            triggers += tracking.objects(table.table_name)
    distant = distant_tables(session, triggers)
    return (
        [Change("left out", file, reason) for file, reason in pack.left.items()]
        + [
            Change("left out", f"trigger {item.identity}", distant[item.table])
            for item in triggers
            if item.table in distant
        ]
        + [
            Change("left out", f"{state.kind} {state.name}", state.left_out)
            for state in session.rows("constraint_states", ConstraintState)
            if state.state == "left out" and state.left_out
        ]
    )


class Attempt(Protocol):
    """Runs a transaction, once or until its locks are granted, and returns what it returns."""

    def __call__(self, work: Callable[[], T], /) -> T: ...


def _once(work: Callable[[], T]) -> T:
    return work()


def summary(changes: list[Change]) -> str:
    """Return what a deployment did, in a few words for the ledger."""
    names = [change.what for change in changes]
    return f"{len(names)}: {', '.join(names[:5])}" + (" ..." if len(names) > 5 else "")


def whole_checksum(pack: Pack) -> str:
    """Return one checksum of all the files of a pack."""
    return checksum("".join(f"{file.name} {file.checksum}\n" for file in pack.files))


def deploy(
    session: Session,
    pack: Pack,
    declared_keys: Mapping[str, str] = MappingProxyType({}),
    *,
    keep_drift: bool = False,
    before_triggers: Callable[[], list[Change]] = list,
    attempt: Attempt = _once,
) -> list[Change]:
    """Deploy the pack's files and register its checks, guards and entities; return what was done.

    `declared_keys` are the key columns that the host revision gives its tables, by qualified
    name, for those whose key the catalogue cannot tell. With `keep_drift`, what was changed
    by hand is left as it is, and said.

    One transaction, so that no trigger calls what is not there. Triggers come last, because
    from the first of them to the commit the writers of a table wait.

    When all the triggers to deploy are new, `before_triggers` is called ahead of the first, between two
    transactions: triggers look rows up, and without an index each write would read a table.
    Then each file of triggers is a transaction of its own, and nobody waits for all of them.

    Each transaction is run by `attempt`, which may run it again when a lock is not granted.
    """

    def apart(work: Callable[[], T]) -> T:
        return attempt(partial(_in_part, session, work))

    changes, left = apart(partial(_deploy_together, session, pack, declared_keys, keep_drift))
    if left is None:
        return changes
    return changes + before_triggers() + _deploy_triggers(session, pack, left, apart)


def _in_part(session: Session, work: Callable[[], T]) -> T:
    with session.part():
        session.set_local("lock_timeout", session.lock_timeout)
        session.set_local("check_function_bodies", "off")
        session.set_local("search_path", "pg_catalog")
        return work()


def _deploy_together(
    session: Session, pack: Pack, declared_keys: Mapping[str, str], keep_drift: bool
) -> tuple[list[Change], _Triggers | None]:
    """Deploy all; return what was done, and the triggers that are left when all of them are new."""
    states = object_states(session)
    kept = [state for state in states.values() if state.state in CHANGED_BY_HAND] if keep_drift else []
    kept_files = {state.file for state in kept}
    kept_keys = frozenset((state.kind, state.identity) for state in kept)
    files = [(file, why) for file, why in pending_files(session, pack, states) if file.name not in kept_files]
    changes = [Change("deploy", file.name, reason) for file, reason in files]
    quiet = [file for file, _ in files if file.folder != "triggers"]
    loud = [file for file, _ in files if file.folder == "triggers"]
    try:
        with session.transaction():
            for file in quiet:
                _run(session, file)
            _refuse_overloads(session, pack)
    except (ServerSaid, _OverloadedError) as error:
        if not isinstance(error, _OverloadedError) and sqlstate(error) not in NOT_REPLACEABLE:
            raise
        if kept:
            raise MigrationError(
                "a view or function changes its shape, so all of them go and come back from their files; "
                f"what was changed by hand cannot be kept: {', '.join(state.identity for state in kept)}"
            ) from error
        # dependents first, and everything up again
        _take_down(session, pack, states)
        quiet = [file for file in pack.files if file.folder != "triggers"]
        loud = [file for file in pack.files if file.folder == "triggers"]
        changes = [
            Change("deploy", file.name, "rebuilt: a view or function changed its shape")
            for file in (*quiet, *loud)
        ]
        for file in quiet:
            _run(session, file)
    distant = distant_tables(session, pack.objects)
    _record_files(session, quiet, distant)
    changes += _drop_retired(session, pack, states, distant)
    _register(session, pack, declared_keys, distant)
    mended = [
        SqlObject(*key)
        for key, state in states.items()
        if state.file == GENERATED and state.state != "deployed" and key not in kept_keys
    ]
    changed = [*mended, *(item for file, _ in files for item in file.objects)]
    if changed:
        _owe(session, _rests(session, pack), changed)
    is_apart = bool(loud) and not any(
        (item.kind, item.identity) in states for file in loud for item in file.objects
    )
    left = _Triggers(loud, distant, keep_drift, kept_keys)
    by_hand = [Change("keep", f"{state.kind} {state.identity}", BY_HAND) for state in kept]
    if is_apart:
        return changes + by_hand, left
    return changes + _deploy_triggers(session, pack, left, _once) + by_hand, None


class _OverloadedError(Exception):
    """A function was created beside the one that it replaces."""


def _refuse_overloads(session: Session, pack: Pack) -> None:
    """Raise _OverloadedError when a function is there twice.

    With other parameters `create or replace` replaces nothing, and what calls the old one goes
    on calling it.
    """
    names = [item.identity for item in pack.objects if item.kind == "function"]
    if session.values("overloaded", names=names):
        raise _OverloadedError


class _Triggers(NamedTuple):
    """The files of triggers to deploy, the tables that can have none, and what is left as it is."""

    files: list[SqlFile]
    distant: Mapping[str, str]
    keep_drift: bool
    kept: frozenset[tuple[str, str]]


def _deploy_triggers(session: Session, pack: Pack, triggers: _Triggers, each: Attempt) -> list[Change]:
    """Deploy files of triggers and what is generated, each run by `each`; return what else was done."""

    def deploy_file(file: SqlFile) -> None:
        _run(session, file, triggers.distant)
        _refuse_ambiguous_journals(session, file)
        _record_files(session, [file], triggers.distant)

    def strays() -> list[Change]:
        if not triggers.keep_drift:
            return list(_drop_strays(session))
        return [
            Change("keep", f"{stray.name} on {stray.table_name}", "stands in no file; left as it is")
            for stray in _strays(session)
        ]

    for file in triggers.files:
        each(partial(deploy_file, file))
    # first those that call a function which is about to go
    changes = [*each(strays), *_generate(session, pack, triggers.kept, each)]
    each(partial(session.run, "fill_definitions"))
    return changes


def _refuse_ambiguous_journals(session: Session, file: SqlFile) -> None:
    """Raise CatalogError when a journal of the file names rows by columns that several may share.

    No undo could tell which of them a repair had changed.
    """
    tables = {plain(item.table) for item in file.objects if item.table}
    for journal in session.rows("ambiguous_journals", _AmbiguousJournal):
        if plain(journal.table_name) not in tables:
            continue
        key = ", ".join(literal(column) for column in journal.primary_key) or "'<column>', ..."
        raise CatalogError(
            f"{file.name}: the journal of {journal.table_name} names no unique key, so one entry may mean "
            f"several rows; name all columns of the key: trueup.journal_row_change({key})"
        )


def _run(session: Session, file: SqlFile, distant: Mapping[str, str] = MappingProxyType({})) -> None:
    leaves_out = any(item.table in distant for item in file.objects)
    try:
        session.script(file.without_triggers(distant) if leaves_out else file.text)
    except ServerSaid as error:
        if sqlstate(error) in NOT_REPLACEABLE or (sqlstate(error) or "").startswith((*AGAIN, "42501")):
            raise
        raise CatalogError(f"{file.name}: {str(error).strip()}") from error


def undeploy(session: Session, pack: Pack) -> list[Change]:
    """Drop every view, function and trigger of ours, in one transaction; return what was dropped."""
    with session.transaction():
        session.set_local("lock_timeout", session.lock_timeout)
        states = object_states(session)
        _take_down(session, pack, states)
        for kind, identity in states:
            session.run("forget_object", kind=kind, identity=identity)
    return [Change("drop", identity) for _, identity in states]


def remembered(session: Session) -> list[Remembered]:
    """Return every view, function and trigger of ours as the catalogue has it now."""
    return session.rows("deployed_objects", Remembered) if session.value("can_read_states") else []


def put_back(session: Session, objects: list[Remembered]) -> None:
    """Create again what `undeploy` dropped, as it was, in one transaction."""
    with session.transaction():
        session.set_local("lock_timeout", session.lock_timeout)
        session.set_local("check_function_bodies", "off")
        session.set_local("search_path", "")
        _in_rounds(
            session,
            objects,
            lambda item: session.script(item.up),
            # what it rests on comes later
            lambda state: not state.startswith(AGAIN),
        )
        _record(
            session,
            {SqlObject(item.kind, item.identity): (item.file, item.file_checksum) for item in objects},
        )
        names = [item.identity.removeprefix("trueup.") for item in objects]
        session.run("retire_checks", names=names)
        # what came between has judged them otherwise
        session.run("owe_checks", names=names)


def _take_down(session: Session, pack: Pack, states: dict[tuple[str, str], ObjectState]) -> None:
    """Drop everything, dependents first; never by cascade, which could hit a view of somebody else's.

    What has no file any more goes, too: nothing tells its place, so what still rests on
    something waits for the next round.
    """
    filed = [item for file in reversed(pack.files) for item in reversed(file.objects)]
    others = [item for item in (SqlObject(*key) for key in states) if item not in set(filed)]
    _in_rounds(
        session,
        sorted([*others, *filed], key=lambda item: item.kind != "trigger"),
        lambda item: _drop(session, item.kind, item.identity),
        lambda state: state == DEPENDED_ON,
    )


def _in_rounds(
    session: Session, items: Iterable[T], work: Callable[[T], None], may_wait: Callable[[str], bool]
) -> None:
    """Do the work of each item in a savepoint; those whose SQLSTATE may wait come again in the next round."""
    left = list(items)
    while left:
        waiting = []
        for item in left:
            try:
                with session.transaction():
                    work(item)
            except ServerSaid as error:
                if not may_wait(sqlstate(error) or ""):
                    raise
                waiting.append((item, error))
        if len(waiting) == len(left):
            raise waiting[0][1]
        left = [item for item, _ in waiting]


def _drop(session: Session, kind: str, identity: str) -> None:
    if kind == "trigger":
        name, _, table = identity.partition(" on ")
        session.script(f"drop trigger if exists {quoted(name)} on {table}")
    elif kind == "view":
        session.script(f"drop view if exists {identity}")
    else:
        for name in session.values("overloads", identity=identity):
            session.script(f"drop routine if exists {name}")


def _record_files(session: Session, files: list[SqlFile], distant: Mapping[str, str]) -> None:
    _record(
        session,
        {
            item: (file.name, file.checksum)
            for file in files
            for item in file.objects
            if item.table not in distant
        },
    )


def _record(session: Session, deployed: Mapping[SqlObject, tuple[str, str]]) -> None:
    """Write down what was deployed: for each object its file, and the checksum of that."""
    session.run(
        "record_objects",
        kinds=[item.kind for item in deployed],
        identities=[item.identity for item in deployed],
        files=[file for file, _ in deployed.values()],
        checksums=[checksum for _, checksum in deployed.values()],
    )


def _drop_retired(
    session: Session, pack: Pack, states: dict[tuple[str, str], ObjectState], distant: Mapping[str, str]
) -> Iterator[Change]:
    known = {(item.kind, item.identity) for item in pack.objects if item.table not in distant}
    retired = [state for key, state in states.items() if key not in known and state.file != GENERATED]
    retired.sort(key=lambda state: ("trigger", "view", "function").index(state.kind))

    def drop(state: ObjectState) -> None:
        _drop(session, state.kind, state.identity)
        session.run("forget_object", kind=state.kind, identity=state.identity)

    _in_rounds(session, retired, drop, lambda state: state == DEPENDED_ON)
    for state in retired:
        table = SqlObject(state.kind, state.identity).table
        yield Change("drop", state.identity, distant.get(table or "") or f"{state.file} is gone")


def _drop_strays(session: Session) -> Iterator[Change]:
    for stray in _strays(session):
        session.script(f"drop trigger {quoted(stray.name)} on {stray.table_name}")
        yield Change(
            "drop", f"{stray.name} on {stray.table_name}", "calls a function of ours but stands in no file"
        )


def _strays(session: Session) -> list[Named]:
    return session.rows("stray_triggers", Named, known=session.values("deployed_triggers"))


def _register(
    session: Session, pack: Pack, declared_keys: Mapping[str, str], distant: Mapping[str, str]
) -> None:
    for check in pack.checks:
        fields = ("name", "invariant", "severity", "entity", "changes", "population", "prevented", "repair")
        session.run(
            "register_check",
            **{
                field: getattr(check, field)
                for field in (*fields, "cost", "description", "file", "checksum", "is_core")
            },
        )
        for population in check.populations:
            found = session.run(
                "register_population",
                check_name=check.name,
                entity_type=population.entity,
                table_name=population.table,
                predicate=population.predicate,
                declared_key=declared_keys.get(population.table),
            )
            if not found:
                raise CatalogError(
                    f"{check.file}: population names {population.table}, and no column is known to be its "
                    "key: it must be the primary key, or on a partitioned table all of it but the "
                    "partition key; for a foreign table or a view the pack's host revision (0001) must say so"
                )
    session.run(
        "forget_populations",
        known=[f"{check.name} {p.entity}" for check in pack.checks for p in check.populations],
    )
    _refuse_misnamed(session, pack)
    tracking.register_tables(session, pack.checks)
    session.run("retire_checks", names=[check.name for check in pack.checks])
    session.run("register_guards", names=placed_guards(pack, distant))
    session.run("register_tables")


class _Misnamed(NamedTuple):
    check_name: str
    table_name: str
    column_name: str | None


class _Misshapen(NamedTuple):
    check_name: str
    column_name: str
    kind: str | None
    key: str | None


class _Reading(NamedTuple):
    check_name: str
    part: str
    query: str


def _refuse_misnamed(session: Session, pack: Pack) -> None:
    """Raise CatalogError when a header names what is not there, or a view or repair is not as agreed.

    Else the triggers that note changes would fail in the application's own writes, passes and
    repairs for all checks, and the check itself night after night.
    """
    files = {check.name: check.file for check in pack.checks}
    named = []
    for check in pack.checks:
        homes = {population.entity: population.table for population in check.populations}
        for source in check.sources:
            named.append((check.name, source.table, source.column))
            if source.via:
                named.append((check.name, homes[source.entity], source.via))
    checks, tables, columns = zip(*named, strict=True) if named else ((), (), ())
    parameters = {"checks": list(checks), "tables": list(tables), "columns": list(columns)}
    for misnamed in session.rows("misnamed_sources", _Misnamed, **parameters):
        said = f"{misnamed.table_name} has no column {misnamed.column_name}"
        if misnamed.column_name is None:
            said = f"there is no table {misnamed.table_name}"
        raise CatalogError(f"{files[misnamed.check_name]}: changes: {said}")
    for misshapen in session.rows("misshapen_checks", _Misshapen, names=list(files)):
        said = f"{misshapen.column_name} is {misshapen.kind}, and must be {misshapen.key}"
        if misshapen.kind is None:
            said = (
                f"the view has no column {misshapen.column_name}; its columns are company_id, entity_type, "
                "entity_id, description and evidence"
            )
        elif misshapen.column_name == "entity_id":
            said = f"entity_id is {misshapen.kind}, and the key of the population ({misshapen.key}) is not"
        raise CatalogError(f"{files[misshapen.check_name]}: {said}")
    for reading in session.rows("readings", _Reading, names=list(files)):
        # understood, not planned: a foreign table need not answer
        try:
            session.dicts(f"prepare trueup_reading as {reading.query}; deallocate trueup_reading")
        except ServerSaid as error:
            if not (sqlstate(error) or "").startswith(NOT_UNDERSTOOD):
                raise
            raise CatalogError(
                f"{files[reading.check_name]}: {reading.part}: {error.diag.message_primary or error}"
            ) from None


def _owe(session: Session, rests: Mapping[str, set[SqlObject]], objects: Iterable[SqlObject]) -> None:
    """Have the next pass evaluate in full each check that rests on one of these, which are not as they were.

    What passes judged before, or were never told of, may be wrong now.
    """
    changed = set(objects)
    if names := [name for name, used in rests.items() if used & changed]:
        session.run("owe_checks", names=names)


def _rests(session: Session, pack: Pack) -> dict[str, set[SqlObject]]:
    """Return for each check, once it is registered, what its view uses, and what passes use for it."""
    made = {
        item.identity.removeprefix("trueup."): (item, file.uses)
        for file in pack.files
        for item in file.objects
        if item.kind != "trigger"
    }
    tables: dict[str, list[str]] = {}
    for read in session.rows("registered_tables", _Read):
        tables.setdefault(read.check_name, []).append(read.table_name)
    found = {}
    for check in pack.checks:
        used = {item for table in tables.get(check.name, ()) for item in tracking.objects(table)}
        used |= {SqlObject("function", f"trueup.violations_of_{each.entity}") for each in check.populations}
        used |= {SqlObject("function", "trueup.violations_in_time")} if check.time == "begins" else set()
        names = {name for name in (check.name, check.candidates) if name in made}
        while names:
            item, uses = made[names.pop()]
            used.add(item)
            names |= {name for name in uses if name in made and made[name][0] not in used}
        found[check.name] = used
    return found


def placed_guards(pack: Pack, distant: Mapping[str, str]) -> list[str]:
    """Return the guards that have a trigger in this database."""
    placed = {
        file.stem
        for file in pack.files
        for item in file.objects
        if item.kind == "trigger" and item.table not in distant
    }
    return [name for name in pack.guards if name in placed]


def generated(session: Session, pack: Pack) -> list[tuple[list[SqlObject], str]]:
    """Return what follows from the headers, each as what it creates and its SQL.

    Per entity type, what lists the violations of some entities; the columns that name entities; what
    lists the violations that time alone may begin; per table that checks rest on, what notes its changes.
    """
    partners = {check.name: check.partners for check in pack.checks}
    begun = [check.name for check in pack.checks if check.time == "begins"]
    in_time = [SqlObject("function", "trueup.violations_in_time")]
    known = session.rows("entities", Entity)
    followed = [SqlObject("function", "trueup.followed_columns")]
    entities = [
        (
            [SqlObject("function", f"trueup.violations_of_{entity.entity_type}")],
            violations_function(entity, partners),
        )
        for entity in known
    ]
    entities.append((followed, followed_function(known, pack.checks)))
    tables = [
        (
            tracking.objects(table.table_name),
            tracking.tracker(table, tracking.key_columns(table.table_name, pack.checks)),
        )
        for table in tracking.watched(session, pack.checks)
        if table.is_trackable
    ]
    return entities + ([(in_time, begun_function(begun, partners))] if begun else []) + tables


def pending_generated(
    wanted: list[tuple[list[SqlObject], str]], states: Mapping[tuple[str, str], ObjectState]
) -> list[tuple[list[SqlObject], str, str]]:
    """Return what of `generated` a deployment would write, each with its SQL and the reason."""
    found = []
    for items, text in wanted:
        digest = checksum(text)
        reasons = [_outdated(item, digest, states.get((item.kind, item.identity))) for item in items]
        if reason := next((reason for reason in reasons if reason), ""):
            found.append((items, text, reason))
    return found


def _generate(
    session: Session,
    pack: Pack,
    kept: frozenset[tuple[str, str]],
    each: Attempt,
) -> Iterator[Change]:
    def write(items: list[SqlObject], text: str) -> None:
        session.script(text)
        _record(session, dict.fromkeys(items, (GENERATED, checksum(text))))
        # passes may have been told less than these need: since the checks were deployed, or before
        if each is not _once or any(item.kind == "trigger" for item in items):
            _owe(session, rests, items)

    def drop(state: ObjectState) -> None:
        _drop(session, state.kind, state.identity)
        session.run("forget_object", kind=state.kind, identity=state.identity)

    states = object_states(session)
    wanted = generated(session, pack)
    known = {(item.kind, item.identity) for items, _ in wanted for item in items}
    retired = [state for key, state in states.items() if state.file == GENERATED and key not in known]
    # first: the triggers of a partition bear the names of those that a partitioned table gives it
    for state in sorted(retired, key=lambda state: state.kind != "trigger"):
        each(partial(drop, state))
        yield Change("drop", state.identity, "no check needs it any more")
    pending = pending_generated(wanted, states)
    rests = _rests(session, pack) if pending else {}
    for items, text, reason in pending:
        if any((item.kind, item.identity) in kept for item in items):
            continue
        each(partial(write, items, text))
        yield Change("deploy", items[0].identity, f"generated: {reason}")


def _outdated(item: SqlObject, digest: str, state: ObjectState | None) -> str:
    if state is None:
        return "new"
    if state.state != "deployed":
        return f"{item.kind} {item.identity} is {state.state}"
    if state.file_checksum != digest:
        return "changed"
    return "" if state.is_current_release else "deployed on another release of PostgreSQL"


def violations_function(entity: Entity, partners: dict[str, tuple[str, ...]]) -> str:
    """Return the SQL of trueup.violations_of_<entity>(keys, checks): what checks say of these entities.

    One statement whose plan is kept, because planning the views anew costs more than
    looking at a few rows; a branch for a check that is not asked for is never run.
    """
    return _listing(
        "violations_of_" + entity.entity_type,
        f"p_ids {entity.key_type}[], p_checks text[] default null",
        f"v.entity_id = any(p_ids) and v.entity_type = {literal(entity.entity_type)} and ",
        entity.checks,
        partners,
    )


def followed_function(entities: list[Entity], checks: Iterable[Check]) -> str:
    """Return the SQL of trueup.followed_columns(): the columns that name an entity by its key.

    Its own, and those of other tables whose change concerns it, as the headers of the checks say.
    """
    types = {entity.entity_type: entity.key_type for entity in entities}
    columns = {(entity.table_name, entity.key_column, entity.entity_type) for entity in entities}
    columns |= {
        (source.table, source.column, source.entity)
        for check in checks
        for source in check.sources
        if source.via is None and source.entity in types
    }
    rows = ",\n".join(
        f"    ({literal(table)}, {literal(column)}, {literal(entity)}, {literal(types[entity])})"
        for table, column, entity in sorted(columns)
    )
    listed = f"values\n{rows}" if rows else "select null, null, null, null where false"
    return (
        "create or replace function trueup.followed_columns()\n"
        "    returns table (table_name text, column_name text, entity_type text, key_type text)\n"
        f"    language sql\n    immutable\n    set search_path = pg_catalog, pg_temp\nas $$\n{listed};\n$$;\n"
    )


def begun_function(checks: list[str], partners: dict[str, tuple[str, ...]]) -> str:
    """Return the SQL of trueup.violations_in_time(checks): what the checks list that time drives.

    Every pass over the changes reads these views whole, because no change tells what time began.
    """
    return _listing("violations_in_time", "p_checks text[]", "", checks, partners)


def _listing(
    name: str, parameters: str, condition: str, checks: list[str], partners: dict[str, tuple[str, ...]]
) -> str:
    branches = "\n    union all\n".join(
        f"    select {literal(check)}::text, v.company_id::text, v.entity_type, v.entity_id::text, "
        f"v.description, v.evidence, {tracking.related(partners.get(check, ()))}\n"
        f"    from {quoted('trueup', check)} as v\n"
        f"    where {condition}(p_checks is null or {literal(check)} = any(p_checks))"
        for check in checks
    )
    known = ", ".join(literal(check) for check in checks)
    return (
        f"drop routine if exists {quoted('trueup', name)};\n"
        f"create or replace function {quoted('trueup', name)}({parameters})\n"
        "    returns table (check_name text, company_id text, entity_type text, entity_id text, "
        "description text, evidence jsonb, related text[])\n"
        "    language plpgsql\n    stable\n    set search_path = pg_catalog, pg_temp\n"
        # rather an error than a row that a policy hides
        "    set plan_cache_mode = force_generic_plan\n    set jit = off\n    set row_security = off\n"
        "as $$\nbegin\n"
        # no row would mean that nothing is wrong
        f"    if not p_checks <@ array[{known}]::text[] then\n"
        f"        raise exception 'trueup.{name} was made for other checks; run `trueup migrate`';\n"
        "    end if;\n\n"
        f"    return query\n{branches};\nend;\n$$;\n"
    )


def add_constraints(
    session: Session, ledger: Ledger, *, keep_drift: bool = False, lookups_only: bool = False
) -> list[Change]:
    """Add what is missing of the registered constraints and indexes, and rebuild what is broken.

    With `lookups_only` nothing but the indexes that stand for no check: rows cannot refuse them.

    Nothing here scans a large table under a strong lock: indexes are built
    concurrently, CHECK and FOREIGN KEY constraints arrive NOT VALID unless the table
    is empty, and an exclusion constraint on a table with rows is left to `enforce`.
    """
    changes = [Change("keep", name, FOUND) for name in session.values("record_constraints_found")]
    for state in session.rows("constraint_states", ConstraintState):
        if lookups_only and not is_lookup(state):
            continue
        if state.state == "different" and keep_drift:
            changes.append(Change("keep", state.name, BY_HAND))
        elif state.state in ("missing", "different", "invalid"):
            changes.append(add_constraint(session, ledger, state, build=False))
    return changes


def add_constraint(session: Session, ledger: Ledger, state: ConstraintState, *, build: bool) -> Change:
    """Add one constraint or index; with `build`, an exclusion constraint even on a table with rows."""
    wanted = statements(session, state, build=build)
    if not wanted and state.waits_for:
        return Change(
            "pending", state.name, f"waits for {state.waits_for}: rows it may refer to do not hold it yet"
        )
    if not wanted:
        return Change(
            "pending",
            state.name,
            "cannot be added NOT VALID; `trueup enforce` builds it once its check is clean",
        )
    with ledger.constraint(state.name, checksum(state.definition)) as step:
        change = _add(session, state, wanted)
        if change.action in ("add", "drop"):
            step.detail = f"{change.action} {change.detail}".strip()
    return change


def _add(session: Session, state: ConstraintState, wanted: list[str]) -> Change:
    try:
        for statement in wanted:
            if " index concurrently " in statement and statement.startswith("create"):
                # waits for old transactions, and makes nobody wait
                patiently(session, statement, [state.table_name], lock_timeout=INDEX_LOCK_TIMEOUT, attempts=1)
            else:
                patiently(session, statement, [state.table_name])
    except MigrationError as error:
        if _is_index(state):
            # an interrupted concurrent build leaves an index that bears the name and is none
            for statement in drop_index(session, state):
                patiently(session, statement, [state.table_name])
        if sqlstate(error.__cause__ or error) not in ("23503", "23505", "23P01"):
            raise
        return Change("pending", state.name, f"rows disagree, see check {state.check_name}")
    if state.left_out:
        return Change("drop", state.name, state.left_out)
    session.run("record_constraint", name=state.name)
    return Change("add", state.name, "not valid" if wanted[-1].endswith(" not valid") else "")


def statements(session: Session, state: ConstraintState, *, build: bool) -> list[str]:
    """Return what adds a constraint or index that is missing or broken; nothing when there is nothing to do.

    A leftover of the same name goes first: a constraint that differs, or what an
    interrupted concurrent build left, which bears the name and is no index.
    """
    if state.state in ("valid", "not valid", "left out"):
        return []
    if state.state == "missing":
        drop = []
    elif _is_index(state):
        drop = drop_index(session, state)
    else:
        drop = [f"alter table {state.table_name} drop constraint {quoted(state.name)}"]
    if state.left_out:
        return drop
    # a table whose rows a policy hides is not empty
    with session.without_policies():
        empty = not session.dicts(f"select 1 from {state.table_name} limit 1")
    if not empty and not build and (state.must_be_built or _awaits(session, state)):
        return []
    if _is_index(state):
        return [*drop, *_create_index(session, state, empty)]
    return [*drop, definition(state, valid=empty)]


def _awaits(session: Session, state: ConstraintState) -> bool:
    """Say whether a constraint would refuse new rows because old ones lack what it waits for."""
    if state.waits_for is None:
        return False
    awaited = session.record("awaited", name=state.waits_for)
    return bool(
        session.dicts(f"select 1 from {awaited['table_name']} where not {awaited['definition']} limit 1")
    )


def _is_index(state: ConstraintState) -> bool:
    return state.kind.endswith("index")


def is_lookup(state: ConstraintState) -> bool:
    """Say whether it is an index that stands for no check."""
    return _is_index(state) and state.check_name is None


def drop_index(session: Session, state: ConstraintState) -> list[str]:
    """Return what drops an index; of a partitioned table, also its parts that were never attached."""
    if not state.is_partitioned:
        return [f"drop index concurrently if exists {_index_of(state)}"]
    statements = [f"drop index if exists {_index_of(state)}"]
    # those that were not attached yet
    for part in session.rows("partitions", _Partition, table=state.table_name):
        concurrently = "" if part.is_partitioned else "concurrently "
        statements.append(
            f"drop index {concurrently}if exists {_index_of(state, part.schema_name, part.name)}"
        )
    return statements


def _create_index(session: Session, state: ConstraintState, empty: bool) -> list[str]:
    """Return what builds an index so that no writer waits for the build.

    No index of a partitioned table is built concurrently: it is made on the parent alone,
    on each partition concurrently, and attached. Partitions that come later get theirs
    from the server.
    """
    unique = "unique " if state.kind.startswith("unique") else ""

    def create(name: str, on: str, how: str = "") -> str:
        return f"create {unique}index {how}if not exists {quoted(name)} on {on} {state.definition}"

    if not state.is_partitioned:
        return [create(state.name, state.table_name, "concurrently ")]
    if empty:
        return [create(state.name, state.table_name)]
    statements = [create(state.name, f"only {state.table_name}")]
    for part in session.rows("partitions", _Partition, table=state.table_name):
        name, table = _index_name(state, part.name), quoted(part.schema_name, part.name)
        if part.is_partitioned:
            statements.append(create(name, f"only {table}"))
        else:
            statements.append(create(name, table, "concurrently "))
        above = _index_of(state) if part.is_direct else _index_of(state, part.parent_schema, part.parent_name)
        own = _index_of(state, part.schema_name, part.name)
        statements.append(f"alter index {above} attach partition {own}")
    return statements


def _index_of(state: ConstraintState, schema: str = "", partition: str = "") -> str:
    """Return the qualified name of an index, or of its part on a partition."""
    if not partition:
        return f"{state.table_name.split('.')[0]}.{quoted(state.name)}"
    return quoted(schema, _index_name(state, partition))


def _index_name(state: ConstraintState, partition: str) -> str:
    name = f"{partition}_{state.name}"
    return name if len(name.encode()) < 64 else f"{partition[:24]}_{state.name[:24]}_{checksum(name)[:8]}"


def definition(state: ConstraintState, *, valid: bool) -> str:
    """Return the statement that adds the constraint."""
    suffix = "" if valid or state.must_be_built else " not valid"
    return (
        f"alter table {state.table_name} add constraint {quoted(state.name)} {state.kind} "
        f"{state.definition}{suffix}"
    )
