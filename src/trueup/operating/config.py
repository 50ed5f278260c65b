"""The configuration of what runs unattended, and where each value comes from.

One dataclass is one section of trueup.toml (or of [tool.trueup] in pyproject.toml); its
fields are all there is, with their types, defaults and meaning. The environment comes
before the file, the file before the default.
"""

import dataclasses
import os
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from trueup.durations import duration
from trueup.errors import UsageError

T = TypeVar("T")

FILE = "trueup.toml"
PROJECT_FILE = "pyproject.toml"
FILE_VARIABLE = "TRUEUP_CONFIG"
PREFIX = "TRUEUP"
DEFAULT = "default"
TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")


def option(help: str, default: Any = None, *, secret: bool = False, instead_of: str | None = None) -> Any:
    """Return a field of a section: what it means, its default, and whether its value is never shown.

    A dictionary as default makes a table of named entries, [section.field.name] in the file. Who
    gives an option of such an entry does without the default of the one it is `instead_of`.
    """
    metadata = {"help": help, "secret": secret, "instead_of": instead_of}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Log:
    """[log]"""

    level: str = option("least level that is written: debug, info, warning or error", "info")
    format: str = option("text, one readable line an event, or json, one object a line", "text")
    file: Path | None = option("where events are written instead of standard error")


@dataclass(frozen=True)
class Report:
    """[report]"""

    since: timedelta = option("period that a report covers", timedelta(days=7))
    zone: str | None = option("IANA time zone in which a report tells times, when not that of the machine")
    directory: Path | None = option("where the scheduler writes reports")


@dataclass(frozen=True)
class Channel:
    """[notify.channels.NAME]"""

    kind: str = option("apprise, webhook or alertmanager", "apprise")
    url: str | None = option("where to: mailto://..., slack://..., https://...", secret=True)
    secret: str | None = option("what a webhook's messages are signed with", secret=True)
    severity: str = option("least severity that is told: critical, warning or info", "warning")
    checks: tuple[str, ...] = option("only these checks", ())
    companies: tuple[str, ...] = option("only these companies", ())


@dataclass(frozen=True)
class Notify:
    """[notify]"""

    name: str | None = option("what messages call the database, when not by its own name")
    console_url: str | None = option("address of `trueup web`, for links in messages")
    repeat: timedelta = option("how often what stays open is told again", timedelta(days=1))
    repeat_critical: timedelta = option("the same, when it is critical", timedelta(hours=4))
    most: int = option("messages to a channel at a time; more become one summary", 10)
    timeout: timedelta = option("how long a channel has for one message", timedelta(seconds=10))
    give_up: timedelta = option(
        "how long one message is tried; what is still so is then told anew", timedelta(days=1)
    )
    channels: dict[str, Channel] = option("", {})


@dataclass(frozen=True)
class Metrics:
    """[metrics]"""

    companies: int = option(
        "companies whose consistency is told one by one, the largest; the rest is added up", 20
    )
    most: int = option("reasons of reviews, circuits, jobs, hosts and channels that are told one by one", 20)
    cache: timedelta = option(
        "how long a reading is told again before the database is asked", timedelta(seconds=5)
    )
    timeout: timedelta = option("how long the database may take to answer", timedelta(seconds=5))


@dataclass(frozen=True)
class Job:
    """[run.jobs.NAME]"""

    does: str | None = option("what it does: changed, full, queue, notify, report, retention, verify, repair")
    at: str | None = option("when, as a cron expression in the zone, such as '0 2 * * *'", instead_of="every")
    every: timedelta | None = option("how often, instead of `at`", instead_of="at")
    timeout: timedelta = option("a run that takes longer is ended, and has failed", timedelta(minutes=10))
    enabled: bool = option("false takes it off the schedule", True)
    checks: tuple[str, ...] = option("full, repair: only these checks", ())
    connections: int = option("full: connections that evaluate side by side", 1)
    max_changes: int | None = option("repair: entities that may be repaired at most")


JOBS = {
    "changed": Job("changed", every=timedelta(minutes=5)),
    "notify": Job("notify", every=timedelta(minutes=1), timeout=timedelta(minutes=5)),
    "queue": Job("queue", at="7 * * * *"),
    "full": Job("full", at="0 2 * * *", timeout=timedelta(hours=6)),
    "retention": Job("retention", at="30 3 * * *", timeout=timedelta(hours=2)),
    "verify": Job("verify", at="45 3 * * *"),
    "repair": Job("repair", at="20 * * * *", timeout=timedelta(hours=1), enabled=False),
}


@dataclass(frozen=True)
class Run:
    """[run]"""

    zone: str = option("time zone of `at`, such as Europe/Berlin", "UTC")
    watch: bool = option("whether changes are judged as they come, and not only by the job changed", True)
    watch_every: timedelta = option("how often the watch looks for changes", timedelta(seconds=1))
    silent_after: timedelta = option(
        "a runner without a sign of life for so long is lost to the others", timedelta(minutes=1)
    )
    grace: timedelta = option("how long a runner told to stop waits for its jobs", timedelta(seconds=30))
    jobs: dict[str, Job] = option("the schedule", JOBS)


@dataclass(frozen=True)
class Web:
    """[web]: the review console"""

    host: str = option("address that the console listens on", "127.0.0.1")
    port: int = option("port that the console listens on", 8780)
    tls_cert: Path | None = option("certificate, with those between it and its root, as PEM")
    tls_key: Path | None = option("private key of the certificate, as PEM")
    insecure: bool = option("listen beyond this machine without TLS, behind a proxy that has it", False)
    trusted_proxies: tuple[str, ...] = option("addresses or networks whose X-Forwarded-* is believed", ())
    trusted_header: str | None = option(
        "header in which those proxies name who is signed in; no passwords then"
    )
    zone: str = option("time zone of the times shown", "Europe/Berlin")
    report_database_url: str | None = option(
        "the database as a login in role trueup_dashboard, for the page with the report", secret=True
    )
    idle: timedelta = option("a session that was not used for so long has ended", timedelta(hours=1))
    lasts: timedelta = option("how long a session lasts at most", timedelta(hours=12))
    poll: timedelta = option("how often an open page asks for news", timedelta(seconds=10))
    rate: str = option("requests of a person or address, counted by each process", "300 per minute")
    threads: int = option("requests worked on at once, each with a session of its own", 8)
    statement_timeout: timedelta = option("longest that one statement may take", timedelta(seconds=15))


@dataclass(frozen=True)
class Configuration:
    """All sections; `database_url` and `pack` stand before the first of them."""

    database_url: str | None = option("the database, as a libpq URL or key=value string", secret=True)
    pack: Path | None = option("directory of the pack, when it is not the shipped one")
    log: Log = field(default_factory=Log)
    report: Report = field(default_factory=Report)
    notify: Notify = field(default_factory=Notify)
    metrics: Metrics = field(default_factory=Metrics)
    run: Run = field(default_factory=Run)
    web: Web = field(default_factory=Web)


class Value(NamedTuple):
    """One value in effect: its dotted name, itself, where it comes from, and what it means."""

    name: str
    value: Any
    source: str
    help: str
    secret: bool

    @property
    def shown(self) -> Any:
        """The value, or *** for a secret that is set."""
        return "***" if self.secret and self.value else self.value


class Loaded(NamedTuple):
    """A configuration, the file it was read from (None: there is none), and every value with its source."""

    configuration: Configuration
    file: Path | None
    values: tuple[Value, ...]


def load(file: Path | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    """Return the configuration in effect.

    `file` is, unless given, what TRUEUP_CONFIG names, else trueup.toml in the working directory,
    else pyproject.toml there when it has a table [tool.trueup].

    Raises UsageError, naming file or variable, for a file that cannot be read, for a key that
    does not exist, and for a value of another type.
    """
    environ = os.environ if environ is None else environ
    found, tables = _read(file, environ)
    reader = _Reader(str(found) if found else "", environ)
    configuration = reader.section(Configuration, tables, ())
    return Loaded(configuration, found, tuple(reader.values))


def variable(name: str) -> str:
    """Return the environment variable that overrides a dotted name: run.zone is TRUEUP_RUN_ZONE."""
    return "_".join((PREFIX, *name.upper().replace("-", "_").split(".")))


def variables(kind: type[Any] = Configuration, prefix: str = "") -> Iterator[str]:
    """Yield the environment variables of all options that have a fixed name."""
    hints = get_type_hints(kind)
    for each in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[each.name]):
            yield from variables(hints[each.name], f"{prefix}{each.name}.")
        elif get_origin(hints[each.name]) is not dict:
            yield variable(prefix + each.name)


def _read(file: Path | None, environ: Mapping[str, str]) -> tuple[Path | None, dict[str, Any]]:
    named = file or (Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None)
    for path in [named] if named else [Path(FILE), Path(PROJECT_FILE)]:
        if not named and not path.is_file():
            continue
        import tomllib

        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: is no TOML: {error}") from None
        if path.name != PROJECT_FILE:
            return path, tables
        ours = tables.get("tool", {}).get("trueup")
        if ours is not None or named:
            return path, ours or {}
    return None, {}


class _Reader:
    """Makes sections of tables and variables, and notes where every value came from."""

    def __init__(self, file: str, environ: Mapping[str, str]) -> None:
        self.file = file
        self.environ = environ
        self.values: list[Value] = []

    def section(self, kind: type[T], table: Any, path: tuple[str, ...]) -> T:
        """Return one section from its table; `path` is its dotted name."""
        if not isinstance(table, dict):
            raise UsageError(f"{self.file}: {'.'.join(path)} is a table of keys, not {_kind(table)}")
        fields = {each.name: each for each in dataclasses.fields(kind)}  # type: ignore[arg-type]
        hints = get_type_hints(kind)
        keys = {key.replace("-", "_"): value for key, value in table.items()}
        for key in keys.keys() - fields.keys():
            where = f"[{'.'.join(path)}]" if path else "what stands before its first section"
            raise UsageError(f"{self.file}: {where} knows no key {key}; it knows {', '.join(fields)}")
        made: dict[str, Any] = {}
        for name, each in fields.items():
            hint, inner = hints[name], (*path, name)
            if dataclasses.is_dataclass(hint) and isinstance(hint, type):
                made[name] = self.section(hint, keys.get(name, {}), inner)
            elif get_origin(hint) is dict:
                made[name] = self._entries(get_args(hint)[1], each, keys.get(name), inner)
            else:
                made[name] = self._value(each, hint, keys, inner)
        return kind(**made)

    def _entries(
        self, kind: type[Any], each: dataclasses.Field[Any], given: Any, path: tuple[str, ...]
    ) -> dict[str, Any]:
        """Return a table of named entries: those of the default, the file, and the environment."""
        assert each.default_factory is not MISSING
        named = {
            name: {k: v for k, v in dataclasses.asdict(entry).items() if v is not None}
            for name, entry in each.default_factory().items()
        }
        if given is not None and not isinstance(given, dict):
            raise UsageError(f"{self.file}: {'.'.join(path)} is a table of named entries, not {_kind(given)}")
        start = variable(".".join(path)) + "_"
        ends = {f"_{f.name.upper()}" for f in dataclasses.fields(kind)}
        spoken = {
            key.removeprefix(start)[: -len(end)].lower()
            for key in self.environ
            for end in ends
            if key.startswith(start) and key.endswith(end) and len(key) > len(start) + len(end)
        }
        names = [*named, *(n for n in given or {} if n not in named)]
        names += sorted(n for n in spoken if n not in {known.replace("-", "_") for known in names})
        return {
            name: self.section(kind, (given or {}).get(name, {}), (*path, name))
            if name not in named
            else self._entry(kind, named[name], (given or {}).get(name, {}), (*path, name))
            for name in names
        }

    def _entry(self, kind: type[Any], default: dict[str, Any], given: Any, path: tuple[str, ...]) -> Any:
        """Return an entry that has a default of its own; what is given replaces single keys of it."""
        before = len(self.values)
        made = self.section(kind, given, path)
        changed = {
            value.name.rsplit(".", 1)[1]: index
            for index, value in enumerate(self.values[before:], before)
            if value.source == DEFAULT
        }
        replaced = {f.metadata["instead_of"] for f in dataclasses.fields(kind) if f.name not in changed}
        changed = {key: index for key, index in changed.items() if key not in replaced}
        for key, index in changed.items():
            if key in default:
                self.values[index] = self.values[index]._replace(value=default[key])
        return dataclasses.replace(made, **{key: default[key] for key in changed if key in default})

    def _value(
        self, each: dataclasses.Field[Any], hint: Any, keys: dict[str, Any], path: tuple[str, ...]
    ) -> Any:
        name = ".".join(path)
        secret = bool(each.metadata.get("secret"))
        spoken = self.environ.get(variable(name))
        if spoken is not None:
            source = variable(name)
            value = _from_text(spoken, hint, source)
        elif each.name in keys:
            source = self.file
            value = keys[each.name]
            if secret and not isinstance(value, str):
                raise UsageError(f"{source}: {name} is text, not {_kind(value)}")
            value = _from_file(value, hint, f"{source}: {name}")
        else:
            source, value = DEFAULT, each.default
        self.values.append(Value(name, value, source, each.metadata.get("help", ""), secret))
        return value


def _kind(value: Any) -> str:
    """Return what a value of a file is, but not the value: there may be a password in it."""
    names = {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a time")


def _bare(hint: Any) -> Any:
    """Return T for `T | None`."""
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    return hint


def _from_text(text: str, hint: Any, where: str) -> Any:
    """Return the value that a variable says."""
    kind = _bare(hint)
    if kind is not hint and not text.strip():
        return None
    if kind is bool:
        if text.lower() in TRUE + FALSE:
            return text.lower() in TRUE
        raise UsageError(f"{where}: '{text}' is neither true nor false")
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise UsageError(f"{where}: '{text}' is no number") from None
    if get_origin(kind) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return _from_file(text, hint, where)


def _from_file(value: Any, hint: Any, where: str) -> Any:
    """Return the value that a file says, as the type of its option."""
    kind = _bare(hint)
    if kind is timedelta and isinstance(value, str):
        try:
            return duration(value)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
    if kind is Path and isinstance(value, str):
        return Path(value)
    if get_origin(kind) is tuple and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    expected = {
        str: "text", int: "a whole number", float: "a number", bool: "true or false",
        timedelta: "a duration such as '5m'", Path: "a path", tuple: "a list of texts",
    }  # fmt: skip
    raise UsageError(f"{where}: {value!r} is not {expected[get_origin(kind) or kind]}")
