"""Measure trueup beside the tools people use today, on one server and the same rows.

One run makes (or finds) a database of each size, runs the variants one after the other and
keeps what each found at once, so that a run that was interrupted goes on where it stopped.
When a size is done its figures become results/<calls>.json; page.py makes docs/benchmarks.md
of all of them.

A variant is a module here with one function, measure(place), which returns its figures:
{"seconds": {what: [each repetition]}, "facts": {...}}. It raises NotHereError when it cannot be
measured, and says why.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apart
import generator
import harness
import page
from harness import Figures, NotHereError, Place

from trueup import server
from trueup.errors import TrueupError

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).with_name("results")
CACHE = ROOT / ".cache" / "benchmarks"

# In the order in which they run: the last ones write.
VARIANTS = (
    "comparison",
    "plain",
    "checks",
    "startup",
    "filing",
    "breaker",
    "events",
    "repair",
    "changed",
    "topology",
    "writers",
    "bookings",
    "adopting",
    "bloat",
)
SIZES = (200_000,)
# of fewer the variants have too little to write to
LEAST_CALLS = 20_000
# figures of other code are not continued, and a database of other rows is made again
CODE = ("src", "checks", "db", "triggers", "migrations", "benchmarks")
ROWS = ("benchmarks/data", "migrations/versions/0001_host_tables.up.sql")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--calls",
        type=_at_least(LEAST_CALLS),
        nargs="+",
        default=list(SIZES),
        metavar="N",
        help=f"sizes, {LEAST_CALLS:,} or more (%(default)s)",
    )
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=VARIANTS,
        default=list(VARIANTS),
        metavar="NAME",
        help=f"measure only these and leave the other results: {', '.join(VARIANTS)}",
    )
    parser.add_argument("--repetitions", type=_at_least(1), default=5, metavar="N")
    parser.add_argument(
        "--postgres", type=int, metavar="RELEASE", help="of the server (default: the first found)"
    )
    parser.add_argument(
        "--data", type=Path, default=CACHE, metavar="DIR", help="where databases are made (%(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the database for the next run")
    options = parser.parse_args(arguments)
    try:
        binaries = server.find_binaries(options.postgres)
        for calls in options.calls:
            _refuse_others(calls, binaries.version, options.variants)
    except (TrueupError, ValueError) as error:
        parser.error(str(error))
    failed = False
    for calls in options.calls:
        failed |= not measure_size(
            calls,
            options.variants,
            options.repetitions,
            binaries,
            options.data.resolve(),
            keep=options.keep,
        )
    page.main()
    return 1 if failed else 0


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if (given := int(text)) < least:
            raise argparse.ArgumentTypeError(f"{given} is less than {least}")
        return given

    return number


def _refuse_others(calls: int, release: int, variants: Sequence[str]) -> None:
    """Raise ValueError when figures of another release would be left beside those of this one."""
    path = RESULTS / f"{calls}.json"
    kept = json.loads(path.read_text()) if path.exists() else {"variants": {}}
    if not set(kept["variants"]) - set(variants):
        return
    if (measured := kept["versions"]["postgresql"].split(".")[0]) != str(release):
        raise ValueError(
            f"{path.name} holds figures of PostgreSQL {measured}: measure all variants on {release}, "
            "or another size"
        )


def measure_size(
    calls: int,
    variants: Sequence[str],
    repetitions: int,
    binaries: server.Binaries,
    data: Path,
    *,
    keep: bool,
) -> bool:
    """Run the variants at one size and merge them into its results; False when one of them failed."""
    directory = data / f"{calls}-calls-on-{binaries.version}"
    directory.mkdir(parents=True, exist_ok=True)
    interrupted = directory / "figures.json"
    figures = _begun(interrupted)
    failed: dict[str, Any] = {}
    with _place(calls, repetitions, binaries, directory) as (place, loaded):
        generator.bring_to_head(place)
        facts = {
            "machine": harness.machine(),
            "versions": harness.versions(place),
            "settings": measuring(),
            "load": loaded,
            "rows": generator.rows(place),
        }
        for name in variants:
            if name in figures:
                place.say(f"{name}: measured before this run was interrupted")
                continue
            place.say(f"{name} ...")
            start = time.monotonic()
            try:
                figures[name] = variant(name)(place)
            except NotHereError as reason:
                figures[name] = {"left_out": str(reason)}
                place.say(f"{name}: left out, {reason}")
            except (Exception, SystemExit) as error:  # one that fails must not cost the rest of the night
                failed[name] = {"left_out": f"it failed ({type(error).__name__})"}
                place.say(f"{name}: FAILED, {type(error).__name__}: {error}")
                continue
            figures[name]["took_s"] = round(time.monotonic() - start, 1)
            figures[name]["measured_at"] = datetime.now(UTC).isoformat(timespec="seconds")
            interrupted.write_text(json.dumps({"code": _fingerprint(CODE), "variants": figures}))
    _merge(calls, {**facts, "variants": {**figures, **failed}})
    if not failed:
        interrupted.unlink(missing_ok=True)
        if not keep:
            shutil.rmtree(directory)
    return not failed


def variant(name: str) -> Callable[[Place], Figures]:
    """Return the function that measures a variant."""
    found: Callable[[Place], Figures] = getattr(apart, name, None) or importlib.import_module(name).measure
    return found


def measuring() -> dict[str, str]:
    """Return the settings of the server that is measured: a quarter of the memory, up to 2 GB."""
    memory = harness.machine()["memory_gb"]
    return {
        "shared_buffers": f"{min(2048, int(memory * 256))}MB",
        "effective_cache_size": f"{int(memory * 512)}MB",
        "work_mem": "64MB",
        "maintenance_work_mem": "512MB",
        "max_wal_size": "8GB",
        "random_page_cost": "1.1",
    }


def _begun(path: Path) -> dict[str, Any]:
    """Return what a run of the same code measured before it was interrupted."""
    begun: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"code": ""}
    return dict(begun["variants"]) if begun["code"] == _fingerprint(CODE) else {}


def _fingerprint(places: Sequence[str]) -> str:
    """Return a checksum of the files under some directories of the checkout."""
    found = hashlib.sha256()
    for path in sorted(
        path
        for place in places
        for path in [ROOT / place, *(ROOT / place).rglob("*")]
        if path.suffix in (".py", ".sql")
    ):
        found.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return found.hexdigest()


@contextlib.contextmanager
def _place(
    calls: int, repetitions: int, binaries: server.Binaries, directory: Path
) -> Iterator[tuple[Place, dict[str, float]]]:
    """Give the database of this size, made and filled unless an earlier run left it."""
    data, load = directory / "server", directory / "load.json"
    work = directory / "work"
    work.mkdir(exist_ok=True)
    rows = _fingerprint(ROWS)
    if not load.exists() or json.loads(load.read_text())["rows"] != rows:
        load.unlink(missing_ok=True)
        if data.exists():
            with contextlib.suppress(Exception):
                server.stop(data, "immediate")
            shutil.rmtree(data)
        with _running(data, binaries, generator.LOADING) as running:
            place = Place(calls, running, "bookings", work, repetitions)
            place.say("loading ...")
            with replace(place, database="postgres").connected() as connection:
                connection.execute("create database bookings")
            load.write_text(json.dumps({"rows": rows, "seconds": generator.load(place)}))
    with _running(data, binaries, {**server.THROWAWAY, **measuring()}) as running:
        yield Place(calls, running, "bookings", work, repetitions), json.loads(load.read_text())["seconds"]


@contextlib.contextmanager
def _running(data: Path, binaries: server.Binaries, settings: dict[str, str]) -> Iterator[server.Server]:
    running = server.start(data, binaries=binaries, settings=settings, die_with_parent=True)
    try:
        yield running
    finally:
        server.stop(data, "fast", timeout=600)


def _merge(calls: int, found: dict[str, Any]) -> None:
    """Write the figures of a size, beside those of the variants that were not measured now."""
    path = RESULTS / f"{calls}.json"
    before = json.loads(path.read_text())["variants"] if path.exists() else {}
    # one that fails now, or cannot be measured here, takes no figures away
    now = {
        name: before[name]
        if "left_out" in figures and "left_out" not in before.get(name, figures)
        else figures
        for name, figures in found["variants"].items()
    }
    whole = {
        "calls": calls,
        **found,
        "variants": {**before, **now},
    }
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(whole, indent=1, sort_keys=False) + "\n")
    print(f"{path.relative_to(ROOT)} written", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
