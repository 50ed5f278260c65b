"""What the layer costs those who write: one application by hand, another with trueup, in turn.

Every variant is a database of its own with the same rows, written by pgbench (one client, prepared
statements). A repetition runs each workload once in each variant; a figure is the median time of a
transaction in microseconds, a ratio that of two figures of one repetition. Prints JSON.

    host     the application's tables as revision 0001 makes them: no index but the keys
    hand     with the keys, references and indexes of the layer, and none of its triggers
    sync     with the trigger alone that keeps the flags in agreement with the appointments
    layer    with every trigger but those that track changes
    kept     the same, and the application goes on to set the flags by hand
    tracked  with every trigger

Times of mode `durable` are those of whole transactions on the wall clock; those of mode `cpu` are what the
server process spends on a processor, without waiting for the disk.

`--costs` tells what each trigger adds to a write that does not concern it. `--race SECONDS` lets clients
write at random, and counts what went wrong.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import errors

from trueup import migration, packs, server

HERE = Path(__file__).parent
SCRIPTS = HERE / "writers"
NO_SYNC = "^(?!appointments_sync_calls)"
"""Names of all triggers but the one that keeps the flags, a regular expression."""
TRACKING = "^trueup_changes"
"""Names of the triggers that track changes, a regular expression."""
DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "autovacuum": "off",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
}
"""Settings of the server that is started when none is given: what is committed is on the disk."""

BRACKET = """\
select split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint as began \\gset
{body}
select split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint - :began as used \\gset
insert into trueup_writers_cpu values (:used);
"""
"""Reads how long the server process has been on a processor, before and after; neighbours do not count."""


@dataclass(frozen=True)
class Variant:
    """A database to compare.

    `without` is a regular expression: triggers of ours with such a name are dropped. `by_hand`: the
    application sets the flags itself.
    """

    name: str
    layer: bool = True
    without: str | None = None
    by_hand: bool = False


@dataclass(frozen=True)
class Workload:
    """A pgbench script, and the one of an application that sets the flags by hand if that is another.

    `rows`: written by one transaction. `advance`: each transaction takes that many rows nobody took
    before. `goal`: the ceiling of the ratio to `hand`, in a durable transaction.
    """

    name: str
    script: str
    by_hand: str
    rows: int = 1
    advance: int = 0
    goal: float | None = None


@dataclass(frozen=True)
class Limits:
    """How much is measured; `calls` of each kind (booked or not) are in each database."""

    calls: int = 30_000
    repetitions: int = 7
    transactions: int = 200
    statements: int = 3
    bulk: int = 500


def variants(tracking: str = TRACKING) -> list[Variant]:
    """Return what is compared; `tracking` tells the triggers that track changes by their names."""
    return [
        Variant("host", layer=False, by_hand=True),
        Variant("hand", without="", by_hand=True),
        Variant("sync", without=NO_SYNC),
        Variant("layer", without=tracking),
        Variant("kept", without=tracking, by_hand=True),
        Variant("tracked"),
    ]


def workloads(limits: Limits) -> list[Workload]:
    """Return what is written; what the layer is for and what is none of its business have a goal."""
    bulk = limits.bulk
    return [
        Workload("book", "book", "book_by_hand", advance=1, goal=1.05),
        Workload("book_confirmed", "book_confirmed", "book_confirmed_by_hand", advance=1),
        Workload("load", "load", "load_by_hand", rows=bulk, advance=bulk, goal=1.10),
        Workload("call_notes", "call_notes", "call_notes", goal=1.05),
        Workload("appointment_notes", "appointment_notes", "appointment_notes", goal=1.05),
        Workload("call_notes_bulk", "call_notes_bulk", "call_notes_bulk", rows=bulk, goal=1.05),
        Workload(
            "appointment_notes_bulk", "appointment_notes_bulk", "appointment_notes_bulk", rows=bulk, goal=1.05
        ),
        Workload("call_metadata", "call_metadata", "call_metadata"),
        Workload("call_arrives", "call_arrives", "call_arrives", advance=1),
        Workload("call_life", "call_life", "call_life", advance=1),
        Workload("cancel", "cancel", "cancel", advance=1),
    ]


def measure(
    where: server.Server | str,
    limits: Limits | None = None,
    *,
    compared: Sequence[Variant] | None = None,
    only: Sequence[str] = (),
    binaries: server.Binaries | None = None,
) -> dict[str, Any]:
    """Return the figures of every workload in both modes: repetitions, medians, ratios to `hand` and `host`.

    `where` is a running server, or the URL of a superuser on one: databases named trueup_writers_… are
    created there and dropped. Times are microseconds for one row. `only` names workloads.
    """
    limits = limits or Limits()
    url = where if isinstance(where, str) else where.url()
    found = binaries or (server.find_binaries() if isinstance(where, str) else where.binaries)
    compared = list(compared or variants())
    chosen = [work for work in workloads(limits) if not only or work.name in only]
    with _databases(url, compared, limits) as urls:
        compared = [variant for variant in compared if variant.name in urls]
        figures: dict[str, Any] = {}
        taken: Counter[str] = Counter()
        for mode, work in itertools.product(("durable", "cpu"), chosen):
            times: dict[str, list[float]] = {variant.name: [] for variant in compared}
            for repetition in range(limits.repetitions):
                # neither the first nor the last of a repetition is always the same
                turn = compared[repetition % len(compared) :] + compared[: repetition % len(compared)]
                for variant in turn:
                    if variant.name == "kept" and work.script == work.by_hand:
                        continue
                    times[variant.name].append(
                        _run(found, urls[variant.name], variant, work, limits, taken, mode)
                    )
                taken[work.name] += work.advance * _transactions(work, limits)
            figures.setdefault(work.name, {"rows": work.rows, "goal": work.goal})[mode] = _summary(times)
        with psycopg.connect(url) as connection:
            version = connection.info.server_version
    return {
        "postgresql": f"{version // 10000}.{version % 10000}",
        "cores": os.cpu_count(),
        "calls": limits.calls,
        "repetitions": limits.repetitions,
        "unit": "microseconds for one row, the median of a run",
        "workloads": figures,
    }


def _summary(times: dict[str, list[float]]) -> dict[str, Any]:
    """Return every repetition, medians, and the median of the ratios of each repetition."""
    known = {name: values for name, values in times.items() if values}
    return {
        "repetitions": {name: [round(value, 2) for value in values] for name, values in known.items()},
        "median": {name: round(statistics.median(values), 2) for name, values in known.items()},
        "ratio": {
            f"{name}/{base}": round(
                statistics.median(a / b for a, b in zip(values, known[base], strict=True)), 3
            )
            for base in ("hand", "host")
            if base in known
            for name, values in known.items()
            if name not in ("hand", "host")
        },
    }


def _transactions(work: Workload, limits: Limits) -> int:
    return limits.transactions if work.rows == 1 else limits.statements


def _run(
    binaries: server.Binaries,
    url: str,
    variant: Variant,
    work: Workload,
    limits: Limits,
    taken: Counter[str],
    mode: str,
) -> float:
    """Run a workload once and return the median time of a transaction, in microseconds for a row."""
    script = SCRIPTS / f"{work.by_hand if variant.by_hand else work.script}.sql"
    # each writes to calls of its own
    first = taken[work.name] + limits.calls * {"book_confirmed": 1, "load": 2}.get(work.name, 0) // 8
    if work.advance and first + work.advance * _transactions(work, limits) > limits.calls:
        raise SystemExit(f"{work.name} needs more than {limits.calls} calls: measure less, or say --calls")
    text = script.read_text()
    if mode == "cpu":
        text = BRACKET.format(body=text)
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / script.name
        copy.write_text(text)
        values = {"n": first, "rows": work.rows, "calls": limits.calls}
        done = subprocess.run(
            [
                binaries.directory / "pgbench",
                *("--no-vacuum", "--protocol=prepared", "--random-seed=2025"),
                f"--transactions={_transactions(work, limits)}",
                *(f"--define={name}={value}" for name, value in values.items()),
                *("--log", f"--log-prefix={place}/log", f"--file={copy}"),
                url,
            ],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "PGOPTIONS": f"-c synchronous_commit={'on' if mode == 'durable' else 'off'}"},
        )
        if done.returncode:
            raise SystemExit(f"{script.name}: {done.stderr}")
        # client, transaction, microseconds …
        lines = [line.split() for path in Path(place).glob("log.*") for line in path.read_text().splitlines()]
    if mode == "cpu":
        with psycopg.connect(url, autocommit=True) as connection:
            taken_cpu = connection.execute(
                "delete from trueup_writers_cpu returning nanoseconds / 1000.0"
            ).fetchall()
        times = [float(row[0]) for row in taken_cpu]
    else:
        times = [float(line[2]) for line in lines]
    # the first of a session prepares the statements and fills the caches
    return statistics.median(times[1:]) / work.rows


@contextmanager
def _databases(url: str, compared: Sequence[Variant], limits: Limits) -> Iterator[dict[str, str]]:
    """Give the URL of a database for each variant; where nothing tracks changes, none is `tracked`."""
    prefix = f"trueup_writers_{os.getpid()}"
    made: list[str] = []
    with psycopg.connect(url, autocommit=True) as admin:

        def create(name: str, template: str = "template1") -> str:
            admin.execute(f"create database {prefix}_{name} template {template}".encode())
            made.append(f"{prefix}_{name}")
            return urlsplit(url)._replace(path=f"/{prefix}_{name}").geturl()

        try:
            layer = create("of_all")
            migration.migrate(database=layer)
            fill(layer, limits.calls)
            urls = {}
            for variant in compared:
                if variant.layer:
                    made_url = create(variant.name, f"{prefix}_of_all")
                    dropped = drop_triggers(made_url, variant.without) if variant.without is not None else []
                    if variant.name == "layer" and not dropped:
                        compared = [other for other in compared if other.name != "tracked"]
                else:
                    made_url = create(variant.name)
                    with psycopg.connect(made_url) as connection:
                        connection.execute((migration.host_sql(packs.load()) or "").encode())
                    fill(made_url, limits.calls)
                with psycopg.connect(made_url) as connection:
                    connection.execute("create unlogged table trueup_writers_cpu (nanoseconds bigint)")
                urls[variant.name] = made_url
            names = {variant.name for variant in compared}
            admin.execute("checkpoint")
            yield {name: made_url for name, made_url in urls.items() if name in names}
        finally:
            for name in made:
                admin.execute(f"drop database if exists {name} with (force)".encode())


def fill(url: str, calls: int) -> None:
    """Fill the empty tables of a database with `calls` calls that wait for a booking, and as many booked."""
    with psycopg.connect(url, autocommit=True) as connection:
        text = (HERE / "writers.sql").read_text().replace(":calls", str(calls))
        with connection.transaction():
            connection.execute(text.encode(), prepare=False)
        connection.execute("vacuum analyze")


def drop_triggers(url: str, pattern: str) -> list[str]:
    """Drop triggers of ours whose name matches; return their names."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            """
            select t.tgname, t.tgrelid::regclass::text
            from pg_catalog.pg_trigger as t
            inner join pg_catalog.pg_proc as p on t.tgfoid = p.oid
            where p.pronamespace = 'trueup'::regnamespace and t.tgname ~ %s
                and t.tgrelid in (
                    select cl.oid
                    from pg_catalog.pg_class as cl
                    where cl.relnamespace = 'public'::regnamespace
                )
            order by 1, 2
            """,
            [pattern],
        ).fetchall()
        for name, table in rows:
            connection.execute(f"drop trigger {name} on {table}".encode())
    return [name for name, _ in rows]


# --- trigger by trigger -----------------------------------------------------

COSTED = ("calls", "appointments")
WRITES = {
    "update of another column, one row": (
        "do $do$ begin for i in 1..1000 loop "
        "update costed.{table} set updated_at = now() where id = 1001 + (i * 7919) % 1000; "
        "end loop; end $do$"
    ),
    "update of another column, a row of many": "update costed.{table} set updated_at = now()",
    "insert, one row": (
        "do $do$ begin for i in 1001..2000 loop "
        "insert into costed.{table} overriding system value select * from kept.{table} where id = i; "
        "end loop; end $do$"
    ),
    "insert, a row of many": (
        "insert into costed.{table} overriding system value select * from kept.{table}"
    ),
}
"""Each writes a thousand rows, in as many statements or in one, with nothing for a trigger to do."""
NOTED = {
    "update, one row": (
        "do $do$ begin for i in 1..1000 loop "
        "update costed.{table} set company_id = company_id + 1 where id = 1001 + (i * 7919) % 1000; "
        "end loop; end $do$"
    ),
    "update, a row of many": "update costed.{table} set company_id = company_id + 1",
    **{name: write for name, write in WRITES.items() if name.startswith("insert")},
}
"""The same, of what checks are about: each row is noted by the triggers that track changes."""


def costs(
    where: server.Server | str, pattern: str = "", writes: Mapping[str, str] = WRITES
) -> dict[str, dict[str, dict[str, float]]]:
    """Return what each trigger adds to the writes: table, trigger, write, microseconds for a row.

    Alone on a copy of the table without indexes, in processor time of the server process, best of five;
    the entry `(none)` is the write without any trigger. `pattern`, a regular expression, says which
    triggers. The two of the sync that have to do with every linked row of an insert or a delete are left
    out: `measure` shows them. Needs a server on this machine, a Linux. A database is created there and
    dropped.
    """
    url = where if isinstance(where, str) else where.url()
    found: dict[str, dict[str, dict[str, float]]] = {}
    with (
        _databases(url, [Variant("costs")], Limits(calls=1000)) as urls,
        psycopg.connect(urls["costs"], autocommit=True) as connection,
    ):
        connection.execute("create schema costed")
        connection.execute("create schema kept")
        for table in COSTED:
            connection.execute(
                f"create table kept.{table} as select * from public.{table} where id > 1000".encode()
            )
            connection.execute(f"alter table kept.{table} add primary key (id)".encode())
            connection.execute(
                f"create unlogged table costed.{table} "
                f"(like public.{table} including defaults including generated, primary key (id)) "
                "with (fillfactor = 40, autovacuum_enabled = off)".encode()
            )
            found[table] = _costs(connection, table, pattern, writes)
    return found


def _costs(
    connection: psycopg.Connection[Any], table: str, pattern: str, writes: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    triggers = connection.execute(
        """
        select t.tgname, pg_get_triggerdef(t.oid)
        from pg_catalog.pg_trigger as t
        where t.tgrelid = %s::regclass and not t.tgisinternal
            and t.tgname not in ('appointments_sync_calls_insert', 'appointments_sync_calls_delete')
            and t.tgname ~ %s
        order by t.tgname
        """,
        [f"public.{table}", pattern],
    ).fetchall()
    bare = {name: _processor_time(connection, table, write) for name, write in writes.items()}
    rows = {"(none)": {name: round(value, 2) for name, value in bare.items()}}
    for trigger, definition in triggers:
        connection.execute(definition.replace(f" ON public.{table} ", f" ON costed.{table} ").encode())
        rows[trigger] = {
            name: round(max(_processor_time(connection, table, write) - bare[name], 0), 2)
            for name, write in writes.items()
        }
        connection.execute(f"drop trigger {trigger} on costed.{table}".encode())
    return rows


def _processor_time(connection: psycopg.Connection[Any], table: str, write: str) -> float:
    """Return the microseconds for a row that the server process spends on a write, at best."""
    clock = Path(f"/proc/{connection.info.backend_pid}/schedstat")
    used = []
    for _ in range(5):
        connection.execute(f"truncate costed.{table}".encode())
        if "insert" not in write:
            connection.execute(
                f"insert into costed.{table} overriding system value select * from kept.{table}".encode()
            )
        connection.execute(f"vacuum costed.{table}".encode())
        began = int(clock.read_text().split()[0])
        connection.execute(write.format(table=table).encode())
        used.append(int(clock.read_text().split()[0]) - began)
    return min(used) / 1000 / 1000


# --- the race ---------------------------------------------------------------

RACED = (
    "call_made_without_appointment",
    "call_outcome_without_appointment",
    "call_backlink_broken",
    "call_linked_without_appointment",
    "call_appointment_not_flagged",
    "call_backlink_missing",
    "appointment_cancel_contradicts",
)
"""Checks that must be clean after a race: what the sync and the fills answer for."""
STARTS = "timestamptz '2046-01-01 08:00+00'"


@dataclass
class _Client:
    """One of the clients of a race: what it did, and the sum of what it added to counters."""

    url: str
    dice: random.Random
    calls: Sequence[int]
    number: int
    done: Counter[str]
    states: Counter[str]
    added: Counter[int]

    def run(self, until: float) -> None:
        acts = [
            (self.book, 25),
            (self.cancel, 10),
            (self.revive, 10),
            (self.delete, 10),
            (self.reassign, 10),
            (self.hard_delete, 3),
            (self.many, 10),
            (self.write_calls, 15),
            (self.count_up, 10),
            (self.read, 10),
        ]
        names, weights = zip(*acts, strict=True)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("set application_name = 'trueup race'")
            while time.monotonic() < until:
                act = self.dice.choices(names, weights)[0]
                try:
                    with connection.transaction():
                        act(connection)
                except errors.Error as error:
                    self.states[error.sqlstate or type(error).__name__] += 1
                else:
                    self.done[act.__name__] += 1

    def call(self) -> int:
        """A call; a few of them are much wanted."""
        return self.dice.choice(self.calls[:20] if self.dice.random() < 0.5 else self.calls)

    def appointments(self, connection: Any, count: int) -> list[int]:
        rows = connection.execute(
            "select a.id from public.appointments as a where a.call_id = any(%s)",
            [[self.call() for _ in range(count)]],
        ).fetchall()
        ids = [row[0] for row in rows]
        self.dice.shuffle(ids)
        return ids[:count]

    def book(self, connection: Any) -> None:
        """Book for a call as an application does that sets the flags by hand, or leaves them."""
        call = self.call()
        (made,) = connection.execute(
            "insert into public.appointments "
            "(company_id, call_id, starts_at, ends_at, source, idempotency_key) "
            f"select c.company_id, c.id, {STARTS}, {STARTS} + interval '45 minutes', 'retell', "
            "gen_random_uuid() "
            "from public.calls as c where c.id = %s returning id",
            [call],
        ).fetchone()
        if self.dice.random() < 0.5:
            connection.execute(
                "update public.calls set appointment_made = true, appointment_id = %s, updated_at = now(), "
                "appointment_link_status = 'linked', appointment_linked_at = now() where id = %s",
                [made, call],
            )

    def cancel(self, connection: Any) -> None:
        connection.execute(
            "update public.appointments set status = 'cancelled' where id = any(%s)",
            [self.appointments(connection, 1)],
        )

    def revive(self, connection: Any) -> None:
        connection.execute(
            "update public.appointments set status = 'confirmed', deleted_at = null where id = any(%s)",
            [self.appointments(connection, self.dice.choice([1, 3]))],
        )

    def delete(self, connection: Any) -> None:
        connection.execute(
            "update public.appointments set deleted_at = now() where id = any(%s)",
            [self.appointments(connection, self.dice.choice([1, 3]))],
        )

    def hard_delete(self, connection: Any) -> None:
        connection.execute(
            "delete from public.appointments where id = any(%s)", [self.appointments(connection, 1)]
        )

    def reassign(self, connection: Any) -> None:
        connection.execute(
            "update public.appointments as a set call_id = c.id from public.calls as c "
            "where c.id = %s and a.company_id = c.company_id and a.id = any(%s)",
            [self.call(), self.appointments(connection, self.dice.choice([1, 3]))],
        )

    def many(self, connection: Any) -> None:
        """Rows of several calls in one statement, in no order."""
        ids = self.appointments(connection, 20)
        if self.dice.random() < 0.5:
            connection.execute(
                "insert into public.appointments (company_id, call_id, starts_at, ends_at) "
                f"select c.company_id, c.id, {STARTS}, {STARTS} + interval '45 minutes' "
                "from public.calls as c where c.id = any(%s) order by random()",
                [[self.call() for _ in range(10)]],
            )
        else:
            connection.execute(
                "update public.appointments as a "
                "set deleted_at = case when a.deleted_at is null then now() end, notes = 'many' "
                "from (select b.id from unnest(%s::bigint[]) as b (id) order by random()) as x "
                "where a.id = x.id",
                [ids],
            )

    def write_calls(self, connection: Any) -> None:
        """What a telephone's webhook writes: no word of the flags, or old words."""
        connection.execute(
            "update public.calls "
            "set status = 'analyzed', updated_at = now(), metadata = metadata || %s::jsonb where id = %s",
            [json.dumps({"seen": self.number}), self.call()],
        )

    def count_up(self, connection: Any) -> None:
        """An increment, of one call or of three in the order of ids, which must not be lost."""
        ids = sorted({self.call() for _ in range(self.dice.choice([1, 3]))})
        for call in ids:
            connection.execute(
                "update public.calls set duration_ms = coalesce(duration_ms, 0) + 1 where id = %s", [call]
            )
        self.added.update(ids)

    def read(self, connection: Any) -> None:
        connection.execute(
            "select c.id, c.appointment_made, a.id from public.calls as c "
            "left join public.appointments as a on c.appointment_id = a.id where c.id = %s",
            [self.call()],
        ).fetchall()


def race(url: str, seconds: float, *, clients: int = 8, calls: int = 200, seed: int = 2025) -> dict[str, Any]:
    """Let clients write at random to the same calls, and return what they did and what went wrong.

    `url` names a database at head without calls. Everything is an ordinary statement: bookings,
    cancellations, soft and hard deletes, re-assignments, statements of many rows in no order, updates of
    calls, counters, reads. `states` counts SQLSTATEs: 40P01 is a deadlock; hard deletes may have one with
    each other. `wrong` are violations, `lost` increments that are not there, `stale` calls whose flags are
    not what their appointments say.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("insert into public.companies (name) values ('race')")
        rows = connection.execute(
            "insert into public.calls (company_id, retell_call_id, direction, duration_ms) "
            "select co.id, 'call_' || i, 'inbound', 0 "
            "from public.companies as co, generate_series(1, %s) as i returning id",
            [calls],
        ).fetchall()
        ids = [row[0] for row in rows]
        connection.execute("update trueup.guards set mode = 'enforce' where name = any(%s)", [list(RACED)])
    crew = [
        _Client(url, random.Random(seed + number), ids, number, Counter(), Counter(), Counter())
        for number in range(clients)
    ]
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(clients) as pool:
        for working in [pool.submit(client.run, until) for client in crew]:
            working.result()
    added: Counter[int] = sum((client.added for client in crew), Counter())
    with psycopg.connect(url) as connection:
        rows = connection.execute("select c.id, c.duration_ms from public.calls as c").fetchall()
        wrong = {
            name: [
                row[0] for row in connection.execute(f"select v.entity_id from trueup.{name} as v".encode())
            ]
            for name in RACED
        }
        stale = connection.execute(
            """
            select c.id
            from public.calls as c
            cross join lateral trueup.appointments_of_call(c.id, c.company_id, c.appointment_id) as own
            where
                (c.appointment_made, c.appointment_id)
                is distinct from (own.appointment_made, own.appointment_id)
            """
        ).fetchall()
    done = sum((client.done for client in crew), Counter())
    return {
        "seconds": seconds,
        "clients": clients,
        "transactions": sum(done.values()),
        "done": dict(sorted(done.items())),
        "states": dict(sum((client.states for client in crew), Counter())),
        "wrong": {name: found for name, found in wrong.items() if found},
        "stale": [row[0] for row in stale],
        "lost": sum(1 for call, counted in rows if counted != added[call]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--calls", type=int, default=Limits.calls, help="of each kind, booked or not (%(default)s)"
    )
    parser.add_argument("--repetitions", type=int, default=Limits.repetitions)
    parser.add_argument("--only", action="append", default=[], metavar="WORKLOAD", help="may be repeated")
    parser.add_argument(
        "--tracking", default=TRACKING, metavar="REGEXP", help="triggers that track changes (%(default)s)"
    )
    parser.add_argument("--race", type=float, metavar="SECONDS", help="race instead of measuring")
    parser.add_argument("--costs", action="store_true", help="trigger by trigger instead")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--postgres", type=int, help="release of the server to start")
    options = parser.parse_args()
    binaries = server.find_binaries(options.postgres)
    with server.temporary(binaries=binaries, settings={} if options.race else DURABLE) as running:
        figures: dict[str, Any]
        if options.race:
            migration.migrate(database=running.url())
            figures = race(running.url(), options.race, clients=options.clients)
        elif options.costs:
            figures = costs(running)
        else:
            figures = measure(
                running,
                Limits(calls=options.calls, repetitions=options.repetitions),
                compared=variants(options.tracking),
                only=options.only,
            )
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    if options.race and (figures["wrong"] or figures["stale"] or figures["lost"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
