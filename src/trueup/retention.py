"""Delete what is over, done with, and older than the table trueup.retention keeps it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from trueup.durations import elapsed_ms
from trueup.errors import UsageError
from trueup.model import Progress, silent
from trueup.names import unknown
from trueup.store import refuse_foreign, session

logger = logging.getLogger(__name__)

BATCH = 5000


@dataclass(frozen=True)
class Pruned:
    """Rows of one table that go, or went, by one rule; `keep` is an interval as PostgreSQL writes it.

    `keep` is None when the rule keeps everything. A table that goes along with the rule's own,
    as results do with their run, is an entry of its own.
    """

    rule: str
    table: str
    keep: str | None
    rows: int


@dataclass(frozen=True)
class Pruning:
    """What a prune deleted, or, unless `applied`, would delete."""

    applied: bool
    tables: tuple[Pruned, ...]

    @property
    def rows(self) -> int:
        """Return the rows of all tables."""
        return sum(entry.rows for entry in self.tables)


class _Deleted(NamedTuple):
    rule: str
    table_name: str
    deleted: int


def prune(
    rules: Iterable[str] = (),
    *,
    database: str | None = None,
    apply: bool = False,
    batch: int = BATCH,
    progress: Progress = silent,
) -> Pruning:
    """Count what the rules named (default: all) would delete; with `apply`, delete it.

    At most `batch` rows of a rule, with what hangs on them, are deleted in one transaction;
    interrupted anywhere, what is deleted stays deleted and the next call goes on. The entries
    are in the order in which the rules are applied.

    Raises NotFoundError for an unknown rule, UsageError for a batch below 1, DatabaseError when
    the database cannot be reached or has no trueup.
    """
    if batch < 1:
        raise UsageError(f"a batch holds at least one row, not {batch}")
    began = time.monotonic()
    with session(database, "prune") as connection:
        refuse_foreign(connection)
        known = connection.values("retention_rules")
        chosen = list(rules)
        for name in chosen:
            if name not in known:
                raise unknown("retention rule", name, known, "`trueup prune`")
        tables = [
            entry
            for name in known
            if name in chosen or not chosen
            for entry in connection.rows("prunable", Pruned, rule=name)
        ]
        if not apply:
            return Pruning(False, tuple(tables))

        total = sum(entry.rows for entry in tables)
        gone = dict.fromkeys(((entry.rule, entry.table) for entry in tables), 0)
        for entry in tables:
            if gone[entry.rule, entry.table] or not entry.rows:
                continue  # a table that goes along, or nothing to do
            is_more = True
            while is_more:
                progress(entry.rule, sum(gone.values()), total)
                done = connection.rows("prune", _Deleted, rule=entry.rule, most=batch)
                for part in done:
                    gone[part.rule, part.table_name] += part.deleted
                is_more = done[-1].deleted >= batch
        progress("", total, total)
    pruned = Pruning(True, tuple(replace(entry, rows=gone[entry.rule, entry.table]) for entry in tables))
    for entry in pruned.tables:
        if entry.rows:
            logger.info("rows pruned", extra={"rule": entry.rule, "table": entry.table, "rows": entry.rows})
    logger.info("prune finished", extra={"rows": pruned.rows, "duration_ms": elapsed_ms(began)})
    return pruned
