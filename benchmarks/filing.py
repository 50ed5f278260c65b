"""Filing new violations against inserting the same rows into the table of alerts; and a flood of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from harness import Figures, Place, interleaved, timed

from trueup import packs
from trueup.evaluation import begin_evaluation, worth_filing
from trueup.store import Session, session

CHECK = "call_type_missing"  # clean in the rows that are generated
NEW = 100_000
FLOOD = 400_000
MOST = 10_000

VIOLATIONS = Path(__file__).with_name("filing.sql").read_text()
INSERT = """
insert into trueup.data_consistency_alerts
    (company_id, alert_type, severity, entity_type, entity_id, description, metadata,
     first_run_id, last_run_id)
select f.company_id, f.check_name, 'info', f.entity_type, f.entity_id, f.description, f.evidence, 1, 1
from pg_temp.trueup_violations as f
"""
RUN = """
insert into trueup.check_runs (kind, version, checks, snapshot_at, snapshot)
values ('selected', 'benchmark', 1, clock_timestamp(), pg_current_snapshot())
returning id::text
"""


def measure(place: Place) -> Figures:
    """Return the seconds of each way, every time in a transaction that is rolled back.

    Of a flood that is what a run does with the rows it has read from the view: it picks those
    that are filed, puts them where filing reads them, and files.
    """
    with session(place.url, "benchmark") as connection:
        seconds = interleaved(
            place,
            {
                "insert": lambda: _measured(connection, NEW, lambda: connection.count(INSERT)),
                "file": lambda: _measured(connection, NEW, lambda: _file(connection, NEW, NEW)),
                "flood": lambda: _flooded(connection, NEW),
                "flood_4": lambda: _flooded(connection, FLOOD),
            },
        )
    return {"seconds": seconds, "facts": {"new": NEW, "flood": FLOOD, "most": MOST}}


def _measured(connection: Session, count: int, what: Callable[[], object]) -> float:
    """Return the seconds of something done to `count` violations."""
    begin_evaluation(connection)
    connection.count(f"insert into pg_temp.trueup_violations {VIOLATIONS}", check=CHECK, count=count)
    return _rolled_back(connection, what)


def _flooded(connection: Session, count: int) -> float:
    begin_evaluation(connection)
    check = next(check for check in packs.load().checks if check.name == CHECK)
    query = VIOLATIONS % {"check": f"'{CHECK}'", "count": count}
    found = connection.copy_out(query)

    def file() -> None:
        connection.copy_in("pg_temp.trueup_violations", worth_filing(connection, check, found, MOST))
        _file(connection, MOST, count)

    with closing(found.file):
        return _rolled_back(connection, file)


def _file(connection: Session, most: int, total: int) -> None:
    (run,) = connection.texts(RUN)
    whole = {"entity_type": None, "entity_ids": None, "expected": None}
    connection.run("file_check", run_id=int(run), name=CHECK, most=most, total=total, **whole)


def _rolled_back(connection: Session, what: Callable[[], object]) -> float:
    connection.script("vacuum trueup.data_consistency_alerts")
    with connection.transaction(rollback=True):
        return timed(what)
