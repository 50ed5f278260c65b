"""A real PgBouncer in front of the server of the tests, from Debian's package, which is not installed."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest
from packages import unpacked
from postgres import Postgres
from psycopg.conninfo import conninfo_to_dict

from trueup import server

# besides itself, what a system without it may lack
LIBRARIES = r"libevent-[\w.-]+|libc-?ares\w*"


@contextlib.contextmanager
def pgbouncer(postgres: Postgres, mode: str) -> Iterator[str]:
    """Start PgBouncer; give the URL of the server's databases through it, without a path."""
    if postgres.binaries is None:
        pytest.skip("PgBouncer is tried on a server that the tests started themselves")
    at = conninfo_to_dict(postgres.admin_url)
    user = server._server_user(Path(str(at["host"])).parent)
    with tempfile.TemporaryDirectory(prefix="trueup-pool-", dir="/tmp") as made:
        directory = Path(made)
        shutil.copytree(unpacked("pgbouncer", LIBRARIES) / "usr", directory / "usr")
        settings = directory / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host={at['host']} port={at['port']} user={at['user']}\n"
            f"[pgbouncer]\npool_mode = {mode}\nauth_type = any\nlisten_addr =\nlisten_port = 6432\n"
            f"unix_socket_dir = {directory}\nlogfile = {directory}/log\n"
            "ignore_startup_parameters = extra_float_digits\ndefault_pool_size = 10\n"
        )
        for path in (directory, *directory.rglob("*")):
            if not path.is_symlink():
                server._give(path, user, 0o755)
        (libraries,) = {path.parent for path in directory.rglob("libevent*.so*")}
        process = subprocess.Popen(
            [directory / "usr" / "sbin" / "pgbouncer", "-q", settings],
            env={"LD_LIBRARY_PATH": str(libraries)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
        )
        try:
            deadline = time.monotonic() + 20
            while not (directory / ".s.PGSQL.6432").exists():
                assert process.poll() is None, (directory / "log").read_text()
                assert time.monotonic() < deadline, "PgBouncer does not start"
                time.sleep(0.05)
            yield f"postgresql://{at['user']}@/{{}}?{urlencode({'host': made, 'port': 6432})}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def through(pool: str, url: str) -> str:
    """Return the URL of a database through the pool."""
    with psycopg.connect(url) as connection:
        return pool.format(connection.info.dbname)
