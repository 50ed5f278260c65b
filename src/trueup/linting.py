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

from trueup import bodies, packs
from trueup.errors import CatalogError, ServerError, TrueupError, UsageError
from trueup.packs import CORE, FOLDERS
from trueup.tokens import Token, inside, statements, tokens


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
    Rule("search-path", "without `set search_path` a caller decides which objects a function uses"),
    Rule(
        "guard-without-lock",
        "a guard that reads before it locks lets two sessions commit a violation together",
    ),
    Rule("body", "a function that cannot run is found out by the first write that needs it"),
    Rule("squawk", "a statement that scans or rewrites a table under a strong lock stops its writers"),
    Rule("suppression", "a finding is passed over for a reason that the next reader can judge"),
)
RULE_IDS = frozenset(rule.id for rule in RULES)

_PLACE = re.compile(r"(?P<file>[^\n:]+?)(?::(?P<line>\d+))?: (?P<message>.*)", re.S)
_STEM = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_REVISION = re.compile(r"(?P<name>\d{4}_[a-z0-9_]+)(?:\.up\.sql|\.down\.sql|\.py)")
_SUPPRESSION = re.compile(r"--\s*lint:\s*(?P<rule>[\w-]*)\s*(?:[:,]\s*(?P<reason>\S.*))?$")
_LOCKING = ("update", "share")
# what a name may follow without being the name of a table, a function or a type of ours
_NOT_A_TABLE = {"select", "lateral", "only", "unnest", "values", "rows", "table", "strict"}
_FROM_INSIDE = {"extract", "substring", "trim", "overlay", "position"}
_ENDS_FROM = {
    "where", "group", "order", "having", "limit", "offset", "union", "except", "intersect", "window",
    "for", "fetch", "returning", "set", "on", "loop", "select", "using", "when",
}  # fmt: skip
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


@dataclass(frozen=True)
class _File:
    """A file of the pack; `folder` is one of packs.FOLDERS or migrations/versions."""

    path: Path
    folder: str
    text: str

    @property
    def stem(self) -> str:
        return self.path.name.split(".")[0]


@dataclass(frozen=True)
class _Function:
    """A function as its statement says it."""

    name: str
    line: int
    parameters: tuple[Token, ...]
    rest: tuple[Token, ...]

    @property
    def body(self) -> Token | None:
        return next((token for token in self.rest if token.kind == "body"), None)

    def has(self, *words: str) -> bool:
        """Say whether these words stand side by side in what follows the parameters."""
        texts = [token.text for token in self.rest if token.kind == "word"]
        return any(tuple(texts[at : at + len(words)]) == words for at in range(len(texts)))


@dataclass(frozen=True)
class _Pack:
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
                    "body",
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
    functions: set[str] = set()
    lockers: set[str] = set()
    for file in files:
        for function in _functions(file):
            name = function.name.removeprefix("trueup.")
            functions.add(name)
            if function.body and any(_locks(tokens(inside(function.body)), frozenset())):
                lockers.add(name)
    return _Pack(
        frozenset(file.stem for file in files if file.folder == "checks"),
        frozenset(functions),
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


def _functions(file: _File) -> Iterator[_Function]:
    for statement in statements(tokens(file.text)):
        words = [token.text for token in statement[:4]]
        at = 3 if words[:3] == ["create", "or", "replace"] else 1
        if words[:1] != ["create"] or words[at : at + 1] not in (["function"], ["procedure"]):
            continue
        name = ""
        for at, token in enumerate(statement[at + 1 :], start=at + 1):
            if token.text == "(":
                break
            name += token.text
        end = _closing(statement, at)
        yield _Function(name, statement[0].line, tuple(statement[at + 1 : end]), tuple(statement[end + 1 :]))


def _closing(found: list[Token], at: int) -> int:
    """Return where the parenthesis that opens at `at` closes."""
    depth = 0
    for place in range(at, len(found)):
        depth += {"(": 1, ")": -1}.get(found[place].text, 0) if found[place].kind == "mark" else 0
        if not depth:
            return place
    return len(found)


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
    functions = list(_functions(file))
    names = {function.name for function in functions}
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
    for function in functions:
        for line, message in _variables(function):
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


def _variables(function: _Function) -> Iterator[tuple[int, str]]:
    depth, begins = 0, True
    for token in function.parameters:
        if token.kind == "mark":
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
            begins = token.text == "," and not depth
        elif begins and token.text == "out":
            begins = False  # a column of the result
        elif begins and token.text not in ("in", "inout", "variadic"):
            is_named = token.text.startswith("p_") or token.kind != "word"
            alone = function.parameters[function.parameters.index(token) + 1 :][:1]
            if not is_named and alone and alone[0].is_name:
                yield token.line, f"parameter {token.text} of {function.name} does not begin with p_"
            begins = False
    if function.body is None or not function.has("language", "plpgsql"):
        return
    declaring = begins = False
    found = tokens(inside(function.body), function.body.line)
    for token in found:
        if token.text == "declare":
            declaring = begins = True
        elif token.text == "begin":
            declaring = False
        elif token.text == ";":
            begins = True
        elif declaring and begins:
            # a letter may be what a formula calls it, or the row of a loop
            if not token.text.startswith("v_") and len(token.text) > 2:
                yield token.line, f"variable {token.text} of {function.name} does not begin with v_"
            begins = False


def _words(file: _File, known: _Pack) -> Iterator[Finding]:
    def found(rule: str, line: int, message: str) -> Finding:
        return Finding(rule, str(file.path), line, message)

    parts = list(_parts(tokens(file.text)))
    for part in parts:
        for at, token in enumerate(part):
            if [t.text for t in part[at : at + 4]] == ["not", "in", "(", "select"]:
                yield found("not-in-select", token.line, "`not in (select ...)`; write `not exists`")
    # the host revision is bare on purpose: it is also run in pg_temp
    if not (
        file.folder == "migrations/versions" and file.path.name.startswith("0001_")
    ) or file.path.is_relative_to(CORE):
        shown = _given_names(parts)
        for part in parts:
            for token, what in _unqualified(part, shown, known.functions):
                yield found("unqualified-name", token.line, f"{what} {token.text} without its schema")
    for function in _functions(file):
        is_standard = function.has("begin", "atomic") or function.has("return")
        if not (function.has("set", "search_path") or is_standard):
            yield found("search-path", function.line, f"{function.name} has no `set search_path = ''`")
        if file.folder == "triggers" and file.stem in known.checks and function.body:
            body = tokens(inside(function.body), function.body.line)
            yield from (
                found("guard-without-lock", token.line, message)
                for token, message in _unlocked(body, file.stem, known.lockers)
            )


def _parts(found: list[Token]) -> Iterator[list[Token]]:
    """Yield the tokens of a file and of each body in it, each as a text of its own."""
    yield found
    for token in found:
        if token.kind == "body":
            yield from _parts(tokens(inside(token), token.line))


def _given_names(parts: list[list[Token]]) -> frozenset[str]:
    """Return the names that a file itself gives: of common table expressions, transition and temporary tables."""
    names = set()
    for part in parts:
        texts = [token.text for token in part]
        for at, token in enumerate(part):
            if not token.is_name:
                continue
            before = texts[at - 1] if at else ""
            after = at + 1
            if texts[after : after + 1] == ["("]:
                after = _closing(part, after) + 1
            rest = texts[after : after + 4]
            if before in ("with", "recursive", ",") and rest[:1] == ["as"] and "(" in rest[1:4]:
                names.add(token.text)
            if before in ("as", "table") and texts[max(at - 3, 0) : at][:2] in (
                ["new", "table"],
                ["old", "table"],
            ):
                names.add(token.text)
            if before == "table" and texts[at - 2 : at - 1] in (["temporary"], ["temp"]):
                names.add(token.text)
    return frozenset(names)


def _unqualified(
    part: list[Token], given: frozenset[str], functions: frozenset[str]
) -> Iterator[tuple[Token, str]]:
    for statement in statements(part):
        texts = [token.text for token in statement]
        first = texts[0]
        opened: list[int] = []
        lists: list[bool] = [False]
        for at, token in enumerate(statement):
            before = texts[at - 1] if at else ""
            if token.kind == "mark":
                if token.text == "(":
                    opened.append(at)
                    lists.append(False)
                elif token.text == ")" and opened:
                    opened.pop()
                    lists.pop()
                elif token.text == "," and lists[-1] and (bare := _bare(statement, at + 1, given)):
                    yield bare, "table"
                continue
            after = texts[at + 1] if at + 1 < len(texts) else ""
            if (
                token.kind == "string"
                and [*texts[at + 1 : at + 3]] == ["::", "regclass"]
                and re.fullmatch(r"'(?!pg_)\w+'", token.text)
            ):
                yield token, "table"
            if not token.is_name:
                continue
            if token.text in _ENDS_FROM and token.kind == "word":
                lists[-1] = False
            if (
                after == "("
                and token.text in functions
                and before
                not in (".", "as", "with", "recursive", "into", "function", "join", "from", "trigger")
                and not (before == "," and token.text in given)
            ):
                yield token, "function"
            if first in ("grant", "revoke"):
                if before == "on" and after != "." and token.text not in (
                    "all", "table", "schema", "sequence", "function", "routine", "database", "tables", "type",
                ):  # fmt: skip
                    yield token, "object"
                continue
            if token.kind != "word":
                continue
            if token.text in ("from", "join") and not _is_no_table(statement, at, opened):
                lists[-1] = token.text == "from"
                if bare := _bare(statement, at + 1, given):
                    yield bare, "table"
            elif token.text == "into" and before in ("insert", "merge"):
                if bare := _bare(statement, at + 1, given):
                    yield bare, "table"
            elif (
                token.text == "update"
                and before not in ("for", "key", "or", "after", "before", "do", "on", "of", ",", "no", "then")
                and after not in ("set", "of", "on", "or", "cascade", "")
                or token.text == "update"
                and before == "then"
                and after not in ("set", "")
            ):
                if bare := _bare(statement, at + 1, given):
                    yield bare, "table"
            elif token.text == "references" and (bare := _bare(statement, at + 1, given)):
                yield bare, "table"
            elif (
                first in ("create", "alter", "drop", "comment", "truncate")
                and at < 8
                and token.text in ("table", "view", "function", "procedure", "sequence", "type")
                and before not in ("new", "old", "returns", "temporary", "temp", "execute")
            ):
                if bare := _bare(statement, at + 1, given):
                    yield bare, token.text
            elif token.text == "on" and first == "create" and ({"trigger", "index"} & set(texts[:5])):
                lists[-1] = False
                if at < 40 and after not in ("conflict", "update", "delete") and not _in_clause(texts, at):
                    if bare := _bare(statement, at + 1, given):
                        yield bare, "table"


def _in_clause(texts: list[str], at: int) -> bool:
    """Say whether the `on` of a create statement is not the one that names the table."""
    return "on" in texts[:at] or "(" in texts[:at]


def _is_no_table(statement: list[Token], at: int, opened: list[int]) -> bool:
    """Say whether a `from` is that of `is distinct from`, of extract(... from ...), or of a cursor."""
    before = statement[at - 1].text if at else ""
    if before == "distinct" and at > 1 and statement[at - 2].text in ("is", "not"):
        return True
    return bool(opened) and opened[-1] > 0 and statement[opened[-1] - 1].text in _FROM_INSIDE


def _bare(statement: list[Token], at: int, given: frozenset[str]) -> Token | None:
    """Return the name that stands at `at` when it is that of a table and has no schema."""
    while at < len(statement) and statement[at].text in (
        "only",
        "lateral",
        "if",
        "not",
        "exists",
        "concurrently",
    ):
        at += 1
    if at >= len(statement) or not statement[at].is_name:
        return None
    token = statement[at]
    after = statement[at + 1].text if at + 1 < len(statement) else ""
    if after in (".", "(") and (
        after == "." or statement[at - 1].text not in ("into", "references", "table")
    ):
        return None
    if token.text in given or token.text in _NOT_A_TABLE or token.text.startswith("pg_"):
        return None
    return token


def _locks(found: list[Token], lockers: frozenset[str]) -> Iterator[int]:
    """Yield where rows are locked: `for update` and its kind, an advisory lock, or a function that does it."""
    for at, token in enumerate(found):
        words = [t.text for t in found[at : at + 4]]
        if token.text == "for" and (
            words[1:2] in (["update"], ["share"])
            or words[1:4] == ["no", "key", "update"]
            or words[1:3] == ["key", "share"]
        ):
            yield at
        elif token.text.startswith("pg_advisory_xact_lock") or words[:2] == ["lock", "table"]:
            yield at
        elif token.text in lockers and words[1:2] == ["("]:
            yield at


def _unlocked(body: list[Token], check: str, lockers: frozenset[str]) -> Iterator[tuple[Token, str]]:
    """Yield where a guard reads its check without having locked in a statement before."""
    texts = [token.text for token in body]
    locks = list(_locks(body, lockers))
    for at in range(2, len(body)):
        if texts[at] == check and texts[at - 2 : at] == ["trueup", "."] and texts[at + 1 : at + 2] != ["("]:
            earlier = [lock for lock in locks if lock < at]
            if not earlier:
                yield body[at], "reads its check before it locks the row it decides about"
            elif not any(";" in texts[lock:at] for lock in earlier):
                yield (
                    body[at],
                    "locks and reads in one statement, which decides on the rows as they were before it waited",
                )
            return


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
