"""What a migration does to the violations: the affected checks, counted before and after.

Violating entities are compared one by one, in a temporary table of the session: as many
mended as broken would leave a mere count as it was. Nothing is filed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from trueup.errors import CheckFailedError
from trueup.packs import Pack
from trueup.store import ServerSaid, Session, brief, literal, quoted

TIMEOUT = "5min"
_BEFORE = "pg_temp.trueup_before"
# what a view may rest on
_READ = ("db/functions", "db/views", "checks")


@dataclass(frozen=True)
class Difference:
    """The violations of one check before and after a migration; entities that came and went."""

    check_name: str
    before: int
    after: int
    appeared: int
    disappeared: int

    @property
    def grew(self) -> bool:
        """There are more violations than before."""
        return self.after > self.before


class _Read(NamedTuple):
    check_name: str
    table_name: str


def affected(connection: Session, pack: Pack, revisions: Iterable[str], files: Iterable[str]) -> list[str]:
    """Return the deployed checks that a migration may concern, by name.

    Those that read a table which the SQL of a pending revision names or on which a pending
    file has a trigger, and those whose own file, or one it rests on, is pending.
    """
    if not connection.value("has_trueup"):
        return []
    deployed = set(connection.values("deployed_checks")) & {check.name for check in pack.checks}
    words = {word for text in revisions for word in re.findall(r"\w+", text.lower())}
    pending = set(files)
    by_stem = {file.stem: file for file in pack.files if file.folder in _READ}
    touched = {item.table for file in pack.files if file.name in pending for item in file.objects}
    found = set()
    for read in connection.rows("tables_of_checks", _Read):
        if read.table_name in touched or read.table_name.split(".")[-1].strip('"') in words:
            found.add(read.check_name)
    for name in deployed:
        left, seen = [name], set()
        while left:
            stem = left.pop()
            if stem in seen or (file := by_stem.get(stem)) is None:
                continue
            seen.add(stem)
            if file.name in pending:
                found.add(name)
            left += file.references
    return sorted(found & deployed)


def remember(connection: Session, names: Iterable[str], timeout: str = TIMEOUT) -> list[str]:
    """Note who violates which of the checks now; return the names of the checks that could be read."""
    connection.script(
        f"drop table if exists {_BEFORE};\n"
        "create temporary table trueup_before "
        "(check_name text, company_id text, entity_type text, entity_id text)"
    )
    read = []
    with connection.transaction():
        connection.set_local("statement_timeout", timeout)
        for name in names:
            with suppress(ServerSaid), connection.transaction():
                connection.count(f"insert into {_BEFORE} {_violators(name)}")
                read.append(name)
    return read


def differences(connection: Session, names: Iterable[str], timeout: str = TIMEOUT) -> list[Difference]:
    """Return what has changed since `remember`, for the checks that changed.

    Raises CheckFailedError for a check that can no longer be read.
    """
    found = []
    with connection.transaction():
        connection.set_local("statement_timeout", timeout)
        for name in names:
            try:
                (row,) = connection.dicts(
                    f"with v as materialized ({_violators(name)}), "
                    f"b as (select * from {_BEFORE} as t where t.check_name = {literal(name)}) "
                    "select (select count(*) from b) as before, (select count(*) from v) as after, "
                    "(select count(*) from (select * from v except select * from b) as x) as appeared, "
                    "(select count(*) from (select * from b except select * from v) as x) as disappeared"
                )
            except ServerSaid as error:
                raise CheckFailedError(
                    f"{name} could be read before the migration, not after it: {brief(error)}"
                ) from error
            if row["appeared"] or row["disappeared"] or row["before"] != row["after"]:
                found.append(Difference(name, **row))
    return found


def _violators(name: str) -> str:
    return (
        f"select {literal(name)}::text, v.company_id::text, v.entity_type::text, v.entity_id::text "
        f"from {quoted('trueup', name)} as v"
    )
