"""Write db/schema.sql: a database at head, as pg_dump prints it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import trueup
from trueup import server

PATH = Path(__file__).resolve().parents[1] / "db" / "schema.sql"
HEADER = "-- A database at head, written by `make schema`; never edited. Grants and owners are left out.\n\n"


def dump(url: str) -> str:
    """Return what pg_dump says of the schema of a database."""
    # the newest pg_dump there is: it reads every older server
    program = server.find_binaries().directory / "pg_dump"
    arguments = [
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--exclude-schema=tap",
        "--exclude-schema=factory",
    ]
    return subprocess.run([program, *arguments, "-d", url], capture_output=True, text=True, check=True).stdout


def cleaned(text: str) -> str:
    """Return a dump without what differs from one server or run to the next."""
    kept = [
        line
        for line in text.splitlines()
        if not re.match(r"--|SET |SELECT pg_catalog.set_config|\\(un)?restrict ", line)
    ]
    return HEADER + re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() + "\n"


def main() -> None:
    with server.temporary() as running:
        trueup.migrate(database=running.url())
        PATH.write_text(cleaned(dump(running.url())))


if __name__ == "__main__":
    main()
