"""Filing new violations against inserting the same rows into the table of alerts; and a flood of them."""

from __future__ import annotations

from pathlib import Path

from harness import Connection, Figures, Place, interleaved, timed

from trueup.store import statement

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
returning id
"""


def measure(place: Place) -> Figures:
    """Return the seconds of each way, every time in a transaction that is rolled back."""
    with place.connected() as connection:
        seconds = interleaved(
            place,
            {
                "insert": lambda: _measured(place, connection, NEW, None),
                "file": lambda: _measured(place, connection, NEW, NEW),
                "flood": lambda: _measured(place, connection, NEW, MOST),
                "flood_4": lambda: _measured(place, connection, FLOOD, MOST),
            },
        )
    return {"seconds": seconds, "facts": {"new": NEW, "flood": FLOOD, "most": MOST}}


def _measured(place: Place, connection: Connection, count: int, most: int | None) -> float:
    """File `count` violations, at most `most` alerts; or insert them when there is no most."""
    connection.execute("vacuum trueup.data_consistency_alerts")
    connection.execute("set client_min_messages = warning")
    connection.execute(statement("begin_evaluation"))
    connection.execute(VIOLATIONS.encode(), {"check": CHECK, "count": count})
    with connection.transaction(force_rollback=True):
        if most is None:
            return timed(lambda: connection.execute(INSERT.encode()))
        run = connection.execute(RUN).fetchone()
        assert run is not None
        whole = {"entity_type": None, "entity_ids": None, "expected": None}
        parameters = {"run_id": run[0], "name": CHECK, "most": most, **whole}
        return timed(lambda: connection.execute(statement("file_check"), parameters))
