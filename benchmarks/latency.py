"""The time from a faulty commit to its alert while `trueup run` is up, watching.

    python benchmarks/latency.py --faults 300

One runner with the default configuration, and a writer that commits faults at random moments,
each through the triggers, together with rows that are right. Both instants are the server's
own clock. Prints JSON: seconds, by percentile.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psycopg

import trueup
from trueup import server

ROOT = Path(__file__).resolve().parents[1]
PREPARED = """
create table public.faults (id bigint primary key, committed_at timestamptz);
select factory.company(1);
"""
FAULT = """
insert into public.faults (id) values ({id});
select factory.call({id}, retell_call_id => 'bad {id}');
select factory.call(1000000 + {id} * 10 + i) from generate_series(1, 5) as i
"""
DELAYS = """
select extract(epoch from al.detected_at - f.committed_at)::float
from public.faults as f
inner join trueup.data_consistency_alerts as al on al.entity_id = f.id::text
where al.alert_type = 'call_id_malformed'
"""


def measured(url: str, faults: int, seconds: float) -> list[float]:
    """Return the delays of so many faults, which come every `seconds` on average."""
    program = Path(sys.executable).with_name("trueup")
    runner = subprocess.Popen(
        [program, "run", "--database", url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            time.sleep(3)
            for number in range(1, faults + 1):
                with connection.transaction():
                    connection.execute(FAULT.format(id=number).encode())
                connection.execute(
                    "update public.faults set committed_at = clock_timestamp() where id = %s", (number,)
                )
                time.sleep(random.expovariate(1 / seconds))
            ends = time.monotonic() + 60
            while True:
                found = [delay for (delay,) in connection.execute(DELAYS)]
                if len(found) == faults or time.monotonic() > ends:
                    return found
                time.sleep(0.5)
    finally:
        runner.terminate()
        runner.wait()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=0.3, help="between two faults, on average")
    options = parser.parse_args()
    with server.temporary() as running:
        url = running.url()
        trueup.migrate(database=url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute((ROOT / "tests" / "factory.sql").read_bytes())
            connection.execute(PREPARED.encode())
        delays = measured(url, options.faults, options.seconds)
    cuts = statistics.quantiles(delays, n=100)
    figures = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "most": max(delays)}
    print(
        json.dumps(
            {
                "faults": options.faults,
                "alerted": len(delays),
                **{name: round(value, 2) for name, value in figures.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
