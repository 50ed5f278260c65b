"""Find in the files of a pack what a test may never reach: names, locks, search paths, bodies.

Most rules look at the words of a file, with no server: headers by the loader of packs,
the rest here. Whether a function's body can run is asked of a server that is thrown away.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from trueup import bodies, packs
from trueup.errors import CatalogError, ServerError, UsageError
from trueup.packs import CORE, FOLDERS
from trueup.sqlrules import functions, given_names, locks, misnamed, parts, unlocked, unqualified
from trueup.tokens import inside, statements, tokens


@dataclass(frozen=True)
class Rule:
    """What is looked for, and why."""

    id: str
    why: str


RULES = (
    Rule("header", "a check whose header is almost right is an alert that never fires"),
    Rule("naming", "one stem names file, view, guard, repair and alert, so that a search finds all of one"),
    Rule("unqualified-name", "which object a bare name means depends on the search_path of whoever runs it"),
    Rule(
        "not-in-select", "one NULL among the rows makes `not in (select ...)` true of nothing: use not exists"
    ),
    Rule(
        "search-path",
        "without `set search_path`, pg_temp at its end, a caller decides which objects a function uses",
    ),
    Rule(
        "guard-without-lock",
        "a guard that reads before it locks lets two sessions commit a violation together",
    ),
    Rule("body", "a function that cannot run is found out by the first write that needs it"),
    Rule("hidden-read", "a pass over changes is not told of a table that a function hides from the server"),
    Rule("squawk", "a statement that scans or rewrites a table under a strong lock stops its writers"),
    Rule("suppression", "a finding is passed over for a reason that the next reader can judge"),
)
RULE_IDS = frozenset(rule.id for rule in RULES)

# without pg_temp in it, types and tables of the caller's come before all others
SEARCH_PATH = "set search_path = pg_catalog, pg_temp"
_PLACE = re.compile(r"(?P<file>[^\n:]+?)(?::(?P<line>\d+))?: (?P<message>.*)", re.S)
_STEM = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_REVISION = re.compile(r"(?P<name>\d{4}_[a-z0-9_]+)(?:\.up\.sql|\.down\.sql|\.py)")
_SUPPRESSION = re.compile(r"--\s*lint:\s*(?P<rule>[\w-]*)\s*(?:[:,]\s*(?P<reason>\S.*))?$")
_SQUAWK = (
    "--pg-version=15.0",
    "--assume-in-transaction",
    "--exclude=prefer-bigint-over-int,prefer-bigint-over-smallint,prefer-robust-stmts,"
    "require-concurrent-index-creation,require-lock-timeout,require-statement-timeout,require-timeout-settings",
)


@dataclass(frozen=True)
class Finding:
    """Something in a file, with its line, that breaks a rule; `file` is as a terminal can open it."""

    rule: str
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        """Return it as compilers print it."""
        return f"{self.file}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Lint:
    """What was found, in the order of the files, and in `notes` what could not be looked at."""

    files: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


class _File(NamedTuple):
    """A file of the pack; `folder` is one of packs.FOLDERS or migrations/versions."""

    path: Path
    folder: str
    text: str

    @property
    def stem(self) -> str:
        return self.path.name.split(".")[0]

    @property
    def is_host_revision(self) -> bool:
        """Whether its names are bare on purpose, because adopt also runs it in pg_temp."""
        is_first = self.folder == "migrations/versions" and self.path.name.startswith("0001_")
        return is_first and not self.path.is_relative_to(CORE)


class _Pack(NamedTuple):
    """What the rules must know of all files."""

    checks: frozenset[str]
    functions: frozenset[str]
    lockers: frozenset[str]


def lint(directory: Path | None = None, *, database: str | None = None, use_server: bool = True) -> Lint:
    """Return what breaks a rule in the pack in `directory` (default: the shipped one).

    The bodies of its functions are tried on a server: in `database`, which must be one to be
    thrown away, with the application's tables in it or, when the pack has a host revision, empty;
    everything there happens in one transaction that is rolled back. Without it an embedded server
    is started, if there is one and the pack makes its own tables. Not at all with `use_server`
    false. TRUEUP_DATABASE_URL is not looked at.

    Raises UsageError when there is no such directory, CatalogError for a file that is not text.
    """
    root = (directory or packs.default_pack()).resolve()
    if not root.is_dir():
        raise UsageError(f"{root} is not a directory; name a pack, or make one with `trueup init`")
    files = list(_files(root))
    known = _known([*files, *(_files(CORE) if root != CORE else ())])
    findings = list(_headers(root, files))
    for file in files:
        findings += _names(file, known)
        findings += _words(file, known)
    notes = []
    squawked, note = _squawk(root, files)
    findings += squawked
    notes += [note] if note else []
    if any(finding.rule == "header" for finding in findings):
        notes.append("bodies were not tried: the pack cannot be loaded")
    elif use_server:
        try:
            tried = bodies.tried(None if root == CORE else root, database)
        except (ServerError, bodies.NoTablesError) as error:
            notes.append(f"bodies were not tried: {error}")
        else:
            notes += tried.notes
            findings += [
                Finding(
                    fault.rule,
                    str(CORE / fault.file if fault.is_core else root / fault.file),
                    fault.line,
                    fault.message,
                )
                for fault in tried.faults
                if fault.is_core == (root == CORE)
            ]
    findings = list(_unsuppressed(findings, files))
    shown = [replace(finding, file=_shown(Path(finding.file))) for finding in findings]
    return Lint(
        len(files), tuple(sorted(set(shown), key=lambda f: (f.file, f.line, f.rule, f.message))), tuple(notes)
    )


def _shown(path: Path) -> str:
    """Return a path from where one is, when it is below."""
    relative = os.path.relpath(path)
    return Path(str(path) if relative.startswith("..") else relative).as_posix()


def _files(root: Path) -> Iterator[_File]:
    for folder in (*FOLDERS, "migrations/versions"):
        for path in sorted((root / folder).glob("*.sql")):
            yield _File(path, folder, packs.readable(path))
    if (roles := root / "db" / "roles.sql").is_file():
        yield _File(roles, "db", packs.readable(roles))


def _known(files: list[_File]) -> _Pack:
    """Return the names of the pack and of the core, and which functions take a row lock themselves."""
    names: set[str] = set()
    lockers: set[str] = set()
    for file in files:
        for function in functions(file.text):
            name = function.name.removeprefix("trueup.")
            names.add(name)
            if function.body and locks(tokens(inside(function.body))):
                lockers.add(name)
    return _Pack(
        frozenset(file.stem for file in files if file.folder == "checks"),
        frozenset(names),
        frozenset(lockers),
    )


def _headers(root: Path, files: list[_File]) -> Iterator[Finding]:
    """Yield what the loader refuses: each header, then the pack as a whole."""
    wrong = False
    for file in files:
        if file.folder == "checks":
            try:
                check = packs.parse(file.stem, file.text, str(file.path))
                assert check.sources is not None
            except CatalogError as error:
                wrong = True
                yield _refused(root, error)
    if not wrong:
        try:
            packs.load(None if root == CORE else root)
        except CatalogError as error:
            yield _refused(root, error)


def _refused(root: Path, error: CatalogError) -> Finding:
    match = _PLACE.fullmatch(str(error))
    if match and (root / match["file"]).is_file():
        return Finding("header", str(root / match["file"]), int(match["line"] or 1), match["message"])
    return Finding("header", str(root), 1, str(error))


def _names(file: _File, known: _Pack) -> Iterator[Finding]:
    def wrong(message: str, line: int = 1) -> Finding:
        return Finding("naming", str(file.path), line, message)

    if file.folder == "migrations/versions":
        match = _REVISION.fullmatch(file.path.name)
        if match is None:
            yield wrong("a revision is named NNNN_what_it_adds.up.sql, with .down.sql and .py beside it")
        else:
            for ending in (".py", ".up.sql", ".down.sql"):
                if not file.path.with_name(match["name"] + ending).is_file():
                    yield wrong(f"{match['name']}{ending} is missing")
    elif not _STEM.fullmatch(file.path.stem):
        yield wrong("a file is named in lower case with underscores, at most 63 characters")
    views, triggers = _created(file)
    created = list(functions(file.text))
    names = {function.name for function in created}
    if file.folder == "db/functions" and f"trueup.{file.stem}" not in names:
        yield wrong(f"creates no function trueup.{file.stem}")
    if file.folder in ("db/views", "db/dashboards") and f"trueup.{file.stem}" not in views:
        yield wrong(f"creates no view trueup.{file.stem}")
    if file.folder == "db/repairs" and f"trueup.repair_{file.stem}" not in names:
        yield wrong(f"creates no function trueup.repair_{file.stem}")
    for name, line, is_constraint in triggers:
        if file.folder == "triggers" and not name.startswith(file.stem):
            yield wrong(f"trigger {name} does not begin with the name of its file", line)
        if is_constraint and file.stem not in known.checks:
            yield wrong(f"constraint trigger {name} is a guard, and no check is called {file.stem}", line)
    for function in created:
        for line, message in misnamed(function):
            yield wrong(message, line)


def _created(file: _File) -> tuple[set[str], list[tuple[str, int, bool]]]:
    views: set[str] = set()
    triggers = []
    for statement in statements(tokens(file.text)):
        words = [token.text for token in statement]
        if words[0] != "create":
            continue
        for at, word in enumerate(words[:6]):
            if word == "view":
                views.add("".join(words[at + 1 : at + 4]))
            elif word == "trigger":
                triggers.append((words[at + 1], statement[0].line, words[at - 1] == "constraint"))
            elif word in ("function", "procedure", "table", "index", "type"):
                break
    return views, triggers


def _words(file: _File, known: _Pack) -> Iterator[Finding]:
    def found(rule: str, line: int, message: str) -> Finding:
        return Finding(rule, str(file.path), line, message)

    texts = list(parts(tokens(file.text)))
    for part in texts:
        for at, token in enumerate(part):
            if [other.text for other in part[at : at + 4]] == ["not", "in", "(", "select"]:
                yield found("not-in-select", token.line, "`not in (select ...)`; write `not exists`")
    if not file.is_host_revision:
        given = given_names(texts)
        for part in texts:
            for token, what in unqualified(part, given, known.functions):
                yield found("unqualified-name", token.line, f"{what} {token.text} without its schema")
    for function in functions(file.text):
        is_standard = function.has("begin", "atomic") or function.has("return")
        if not (function.has("set", "search_path") or is_standard):
            yield found("search-path", function.line, f"{function.name} has no `{SEARCH_PATH}`")
        elif not (function.has("pg_temp") or is_standard):
            message = f"{function.name} finds types of its caller in pg_temp first; write `{SEARCH_PATH}`"
            yield found("search-path", function.line, message)
        if file.folder == "triggers" and file.stem in known.checks and function.body:
            body = tokens(inside(function.body), function.body.line)
            for line, message in unlocked(body, file.stem, known.lockers):
                yield found("guard-without-lock", line, message)


def _squawk(root: Path, files: list[_File]) -> tuple[list[Finding], str | None]:
    revisions = [str(file.path) for file in files if file.path.name.endswith(".up.sql")]
    if not revisions:
        return [], None
    program = shutil.which("squawk") or shutil.which("squawk", path=str(Path(sys.executable).parent))
    if program is None:
        return [], "revisions were not looked at by squawk, which is not installed: pip install squawk-cli"
    configured = next((path for path in (root, *root.parents[:4]) if (path / ".squawk.toml").is_file()), None)
    options = ["--config", str(configured / ".squawk.toml")] if configured else list(_SQUAWK)
    done = subprocess.run(
        [program, "--reporter", "json", *options, *revisions], capture_output=True, text=True, check=False
    )
    try:
        said = json.loads(done.stdout or "[]")
    except json.JSONDecodeError:
        return [], f"squawk could not look at the revisions: {(done.stderr or done.stdout).strip()[:200]}"
    return [
        Finding("squawk", item["file"], int(item["line"]) + 1, f"{item['rule_name']}: {item['message']}")
        for item in said
    ], None


def _unsuppressed(findings: Iterable[Finding], files: list[_File]) -> Iterator[Finding]:
    """Yield what no comment `-- lint: <rule>: <reason>` passes over, on its line or the line above."""
    marks: dict[tuple[str, int, str], bool] = {}
    for file in files:
        for number, line in enumerate(file.text.splitlines(), start=1):
            if match := _SUPPRESSION.search(line):
                rule, reason = match["rule"], match["reason"]
                if rule not in RULE_IDS or rule == "suppression":
                    yield Finding("suppression", str(file.path), number, f"no rule is called '{rule}'")
                elif not reason:
                    yield Finding(
                        "suppression", str(file.path), number, f"say why: -- lint: {rule}: <reason>"
                    )
                else:
                    marks[str(file.path), number, rule] = False
    for finding in findings:
        places = ((finding.file, line, finding.rule) for line in (finding.line, finding.line - 1))
        if (place := next((place for place in places if place in marks), None)) is None:
            yield finding
        else:
            marks[place] = True
    for (path, number, name), used in marks.items():
        if not used:
            yield Finding("suppression", path, number, f"nothing here breaks {name}; take the comment away")
