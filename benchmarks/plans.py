"""Write docs/plans: what every check costs in a database, and an index of the pages."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from trueup import packs
from trueup.cli_explain import explained
from trueup.errors import TrueupError
from trueup.explaining import Explanation, explain
from trueup.store import session

HERE = Path(__file__).resolve().parents[1] / "docs" / "plans"
FACTS = """
select
    current_setting('server_version') as version,
    current_setting('shared_buffers') as shared_buffers,
    current_setting('work_mem') as work_mem,
    current_setting('random_page_cost') as random_page_cost,
    current_setting('jit') as jit
"""
SIZES = """
select
    cp.table_name,
    sum(greatest(part.reltuples, 0))::bigint as rows,
    pg_size_pretty(sum(pg_total_relation_size(part.oid))) as size
from (select distinct cp.table_name from trueup.check_populations as cp) as cp
inner join pg_catalog.pg_class as part
    on
        part.relkind <> 'p'
        and (
            part.oid = to_regclass(cp.table_name)
            or part.oid in (select t.relid from pg_partition_tree(to_regclass(cp.table_name)) as t)
        )
group by cp.table_name
having sum(part.reltuples) > 0
order by sum(part.reltuples) desc, cp.table_name
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", metavar="URL", help="a migrated database, as libpq names it")
    parser.add_argument("--into", type=Path, default=HERE, metavar="DIR", help="where to write the pages")
    parser.add_argument("--entities", type=int, default=1000, help="entities of each table to judge alone")
    parser.add_argument("--timeout", default="5min", help="time for each plan, as PostgreSQL writes it")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    found = []
    for check in packs.load().checks:
        try:
            found.append(
                explain(
                    check.name,
                    database=options.database,
                    analyze=True,
                    entities=options.entities,
                    timeout=options.timeout,
                )
            )
        except TrueupError as error:
            sys.exit(f"{check.name}: {error}")
        lines = [
            f"$ trueup explain {check.name} --analyze --entities {options.entities}",
            "",
            *explained(found[-1]),
        ]
        (options.into / f"{check.name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        sys.stderr.write(f"{time.monotonic() - began:6.1f} s  {check.name}\n")
    for page in options.into.glob("*.txt"):
        if page.stem not in {each.check.name for each in found}:
            page.unlink()
    (options.into / "README.md").write_text(index(found, options), encoding="utf-8")


def index(found: list[Explanation], options: argparse.Namespace) -> str:
    """Return the page that lists the others."""
    with session(options.database, "plans") as connection:
        (facts,) = connection.dicts(FACTS)
        sizes = connection.dicts(SIZES)
    tables = ", ".join(
        f"`{size['table_name'].removeprefix('public.')}` {size['rows']:,} rows ({size['size']} with indexes)"
        for size in sizes
    )
    lines = [
        "# What every check costs",
        "",
        "Written by `python benchmarks/plans.py URL`. Each page is what",
        f"`trueup explain CHECK --analyze --entities {options.entities}` printed: the header of the check,",
        f"the plan of its whole view, and its plan for the {options.entities:,} newest rows of its tables.",
        "Of a check marked ¹ a full run asks the view of its candidates first, which several checks may",
        "share: the plan is that of the candidates, and the same for all of them.",
        "",
        f"PostgreSQL {facts['version']}, shared_buffers {facts['shared_buffers']}, "
        f"work_mem {facts['work_mem']}, random_page_cost {facts['random_page_cost']}, jit {facts['jit']}.",
        f"Tables: {tables}.",
        "",
        f"Everything was executed once, one after the other, for at most {options.timeout}, without parallel",
        "workers: a run, which has them, takes a fraction of it. The times contain what EXPLAIN takes to",
        "look at the clock, and what else the machine did; buffers, pages of 8 kB, do not vary.",
        "*Scans* are the tables that the plan reads from end to end, or all of an index of theirs; those",
        "smaller than 1 MB left out.",
        "",
        f"| check | planned cost | ms | buffers | scans | {options.entities:,} entities: ms | buffers | "
        "cost follows |",
        "|---|--:|--:|--:|---|--:|--:|---|",
        *map(_row, found),
    ]
    return "\n".join(lines) + "\n"


def _row(each: Explanation) -> str:
    plan = each.plan
    scans = sorted(
        {read.table.removeprefix("public.") for read in plan.reads if read.whole and read.bytes >= 2**20}
    )
    alone = [entities.plan for entities in each.entities]
    follows = sorted(
        {table.removeprefix("public.") for entities in each.entities for table in entities.follows}
    )
    cells = [
        f"[`{each.check.name}`]({each.check.name}.txt)" + (" ¹" if each.check.candidates else ""),
        f"{plan.cost:,.0f}",
        plan.error or f"{plan.duration_ms:,.0f}",
        "" if plan.buffers is None else f"{plan.buffers:,}",
        ", ".join(scans),
    ]
    if not alone:
        cells += ["", "", ""]
    else:
        failed = next((other.error for other in alone if other.error), None)
        cells += [
            failed or f"{sum(other.duration_ms or 0 for other in alone):,.1f}",
            "" if failed else f"{sum(other.buffers or 0 for other in alone):,}",
            ", ".join(follows) or "entities",
        ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
