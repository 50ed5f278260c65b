"""Backfills: what a revision writes into the rows of a large table, a batch at a time.

Beside a revision NNNN_slug.py lies NNNN_slug.fill.sql: two lines that name the table and its
key, then one UPDATE of the rows whose keys lie between :first and :last.

    -- table: public.calls
    -- key:   id
    update public.calls as c
    set country = 'DE'
    where c.id between :first and :last and c.country is null

A batch is a transaction of its own, which also notes how far it came. One that was
interrupted is rolled back, and the next migration goes on with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from trueup.deploy import Change
from trueup.errors import CatalogError, MigrationError
from trueup.ledger import Ledger
from trueup.locks import Turn, retried
from trueup.model import Progress, silent
from trueup.packs import CORE, Pack, checksum, readable
from trueup.store import ServerSaid, Session, explained, literal, quoted
from trueup.tokens import texts

BATCH = 5000
_HEADER = re.compile(r"-- table:\s+(?P<table>\w+\.\w+)\n-- key:\s+(?P<key>\w+)\n")
_PLACE = re.compile(r"(?<!:):(first|last)\b")


@dataclass(frozen=True)
class Backfill:
    """One backfill; `name` is the stem of its file, `statement` has :first and :last in it."""

    name: str
    table: str
    key: str
    statement: str
    checksum: str


class _Progress(NamedTuple):
    name: str
    checksum: str
    last_key: str | None
    rows_written: int
    is_finished: bool


def load(pack: Pack) -> list[Backfill]:
    """Return the backfills of the core and of the pack, in the order of their files.

    Raises CatalogError, naming the file, for one without the two lines, without its revision,
    or with anything but one statement that names :first and :last.
    """
    return [
        parse(path, pack)
        for root in (CORE, pack.root)
        for path in sorted((root / "migrations" / "versions").glob("*.fill.sql"))
    ]


def parse(path: Path, pack: Pack) -> Backfill:
    """Return the backfill in a file, as the database of the pack needs it."""
    text = pack.written(readable(path).replace("\r\n", "\n"))
    head = _HEADER.search(text)
    if not head:
        raise CatalogError(
            f"{path.name}: say what it fills, in lines `-- table: public.calls` and `-- key: id`"
        )
    name = path.name.removesuffix(".fill.sql")
    if not path.with_name(f"{name}.py").is_file():
        raise CatalogError(f"{path.name}: there is no revision {name}.py for it")
    statements = list(texts(text))
    if len(statements) != 1 or {found[1] for found in _PLACE.finditer(statements[0])} != {"first", "last"}:
        raise CatalogError(
            f"{path.name}: a backfill is one statement about the rows between :first and :last"
        )
    return Backfill(name, head["table"], head["key"], statements[0], checksum(text))


def pending(connection: Session, pack: Pack) -> list[Backfill]:
    """Return the backfills that are not finished."""
    known = _known(connection)
    return [each for each in load(pack) if each.name not in known or not known[each.name].is_finished]


def run(
    connection: Session, pack: Pack, ledger: Ledger, turn: Turn, progress: Progress = silent
) -> list[Change]:
    """Run the backfills that are not finished, batch by batch; return what was done.

    Raises MigrationError when a lock is not granted or the server refuses a batch: what is
    done stays done. CatalogError when the file of a backfill under way was edited.
    """
    known = _known(connection)
    changes = []
    for each in load(pack):
        begun = known.get(each.name)
        if begun and begun.is_finished:
            continue
        if begun and begun.checksum != each.checksum:
            raise CatalogError(
                f"{each.name}.fill.sql was edited after {begun.rows_written:,} rows of it were written; "
                "restore it, or take its revision back first"
            )
        with ledger.step("backfill", each.name, each.checksum) as step:
            written = _fill(connection, each, begun, turn, progress)
            step.detail = f"{written:,} rows of {each.table} written"
        changes.append(Change("backfill", each.name, step.detail))
    return changes


def forget(connection: Session, stems: Sequence[str]) -> None:
    """Forget the backfills of revisions that were taken back; `stems` are those of the files that stay."""
    if connection.value("has_backfills"):
        connection.run("forget_backfills", names=list(stems))


def script(backfill: Backfill) -> str:
    """Return the backfill for psql: a block that commits after every batch."""
    table, key = quoted(*backfill.table.split(".")), quoted(backfill.key)
    update = _PLACE.sub(lambda found: f"v_{found[1]}", backfill.statement.rstrip().rstrip(";"))
    return f"""-- {backfill.name}: {BATCH} rows at a time, committed after each
do $backfill$
declare
    v_first {table}.{key}%type;
    v_last {table}.{key}%type;
begin
    select t.{key} into v_first from {table} as t order by t.{key} limit 1;
    while v_first is not null loop
        select b.{key} into v_last
        from (select t.{key} from {table} as t where t.{key} >= v_first order by t.{key} limit {BATCH}) as b
        order by b.{key} desc
        limit 1;

        {update};

        commit;
        select t.{key} into v_first from {table} as t where t.{key} > v_last order by t.{key} limit 1;
    end loop;
end
$backfill$;

insert into trueup.backfills (name, table_name, checksum, finished_at)
values ({literal(backfill.name)}, {literal(backfill.table)}, {literal(backfill.checksum)}, clock_timestamp())
on conflict (name) do update set finished_at = excluded.finished_at"""


def _known(connection: Session) -> dict[str, _Progress]:
    if not connection.value("has_backfills"):
        return {}
    return {row.name: row for row in connection.rows("backfills", _Progress)}


def _fill(
    connection: Session, backfill: Backfill, begun: _Progress | None, turn: Turn, progress: Progress
) -> int:
    """Run one backfill from where it was to its end; return the rows written in all."""
    table, key = quoted(*backfill.table.split(".")), quoted(backfill.key)
    if not connection.value("has_column", table_name=backfill.table, column_name=backfill.key):
        raise CatalogError(f"{backfill.name}.fill.sql: there is no {backfill.table}.{backfill.key}")
    # a parameter of unknown type becomes whatever the key is
    update = _PLACE.sub(lambda found: f"%({found[1]})s", backfill.statement.replace("%", "%%"))
    from_key = f"select t.{key}::text from {table} as t"
    written, last = (begun.rows_written, begun.last_key) if begun else (0, None)
    connection.run(
        "begin_backfill", name=backfill.name, table_name=backfill.table, checksum=backfill.checksum
    )
    total = connection.value("estimated_rows", names=[backfill.table]) or 0
    seen = 0

    def batch() -> int | None:
        """Write the next rows and note how far that is, all or nothing; None when there are none."""
        nonlocal last
        with connection.transaction():
            found = connection.texts(
                f"{from_key} where t.{key} > %(last)s order by t.{key} limit {BATCH}"
                if last is not None
                else f"{from_key} order by t.{key} limit {BATCH}",
                **({} if last is None else {"last": last}),
            )
            rows = connection.count(update, first=found[0], last=found[-1]) if found else 0
            connection.run(
                "advance_backfill",
                name=backfill.name,
                last_key=found[-1] if found else None,
                rows=rows,
                is_finished=not found,
            )
        if not found:
            return None
        last = found[-1]
        return rows

    while True:
        turn.go_on()
        progress(backfill.name, seen, max(total, seen))
        try:
            rows = retried(connection, batch, lambda: f"while running {backfill.name}.fill.sql")
        except ServerSaid as error:
            raise MigrationError(
                f"{backfill.name}.fill.sql, after {written:,} rows: {explained(error)}\n"
                "what was written stays; mend it and run `trueup migrate` again, which goes on from there"
            ) from error
        if rows is None:
            return written
        written += rows
        seen += BATCH
