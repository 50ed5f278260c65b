"""Adopt, check and repair a database of many calls; print seconds, counts and the runner's memory as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

from trueup import migration, packs, server
from trueup.store import session

TRUEUP = Path(sys.executable).with_name("trueup")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--faults", type=float, default=0.01)
    options = parser.parse_args()
    figures: dict[str, object] = {"calls": options.calls, "faults": options.faults, "cores": os.cpu_count()}
    with server.temporary(settings={"shared_buffers": "512MB", "max_wal_size": "4GB"}) as running:
        url = running.url()
        figures["postgresql"] = running.binaries.version
        with session(url, "benchmark") as connection:
            connection.script(migration.host_sql(packs.load()) or "")
        fill = [
            "-qX",
            "-v",
            "ON_ERROR_STOP=1",
            "-v",
            f"calls={options.calls}",
            "-v",
            f"faults={options.faults}",
        ]
        script = Path(__file__).with_name("calls.sql")
        subprocess.run([*running.psql_command(), *fill, "-f", script], check=True, stdout=subprocess.DEVNULL)
        for name, arguments in (
            ("adopt", ["adopt", "--apply"]),
            ("check", ["check"]),
            ("repair", ["repair", "--apply"]),
            ("check_again", ["check"]),
        ):
            began = time.monotonic()
            done = subprocess.run(
                [TRUEUP, *arguments, "--database", url, "--format", "json"],
                capture_output=True,
                text=True,
                check=False,
            )
            figures[name] = {"seconds": round(time.monotonic() - began, 1), "exit_code": done.returncode}
            if done.returncode not in (0, 1):
                sys.exit(done.stderr)
            if name.startswith("check"):
                found = json.loads(done.stdout)["results"]
                figures[f"{name}_violations"] = {r["name"]: r["violations"] for r in found if r["violations"]}
            if name == "repair":
                figures["corrected"] = sum(c["corrected"] for c in json.loads(done.stdout)["checks"])
        figures["runner_peak_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    figures["machine"] = platform.machine()
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
