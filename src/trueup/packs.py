"""Read a pack: one file under checks/ is one invariant, one stem rules all.

The header of a check is the only place where an invariant is described. What the
report prints, what the README lists and what the database stores are copied from it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from trueup.errors import CatalogError, NotFoundError

CORE = Path(__file__).parent / "core"
# the schema of the application's tables, as the files of a pack spell it
PUBLIC = "public"
KEYS = ("invariant", "severity", "entity", "changes", "population", "prevented", "repair", "cost")
SEVERITIES = ("critical", "warning", "info")
REPAIRS = ("automatic", "evidence", "review")
# in the order in which unrelated files are deployed
FOLDERS = ("db/functions", "db/views", "checks", "db/repairs", "triggers", "db/dashboards")

# trueup.violations_of_<entity> must be an identifier of PostgreSQL
LONGEST_ENTITY = 63 - len("violations_of_")

_KEY_LINE = re.compile(r"^-- (?P<key>[a-z_]+):\s*(?P<value>.*)$")
_MORE_LINE = re.compile(r"^-- {8,}(?P<value>\S.*)$")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*")
_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.S)
_CANDIDATES = re.compile(r"^-- candidates of:\s+(?P<checks>[^\n]*(?:\n-- {4,}[^\n]*)*)", re.M)
_BODY = re.compile(r"\$(?P<tag>\w*)\$.*?\$(?P=tag)\$", re.S)
_CREATE = re.compile(
    r"\bcreate\s+(?:or\s+replace\s+)?(?:constraint\s+)?(?P<kind>view|function|trigger)\s+(?P<name>[\w.]+)",
    re.I,
)
_VIEW = re.compile(r"create\s+or\s+replace\s+view\s+trueup\.(\w+)\s+as\b", re.I)
_TRIGGER = re.compile(r"\bcreate\s+(?:or\s+replace\s+)?(?:constraint\s+)?trigger\b[^;]*;", re.I)
_TRIGGER_TABLE = re.compile(r'\bon\s+(?P<table>(?:\w+|"[^"]+")\.(?:\w+|"[^"]+"))', re.I)
_REFERENCE = re.compile(r"\btrueup\.(\w+)")
# what a key of the application's tables is, as the files of a pack spell it
BIGINT = "bigint"
_HOST_TABLE = re.compile(r"^create table (\w+)", re.M)
# before a dot, so never the role; also where a text or a pattern holds a name
_HOST = re.compile(r"""(?<![\w."$])(?:public|"public")(?=\\?\.[\w%"(\[])""")
_PART = r'(?:[a-z_][a-z0-9_]*|"[^"=,]+")'
_SOURCE = re.compile(
    rf"(?P<table>(?:{_PART}\.)?{_PART})\.(?P<column>{_PART})"
    rf"(?: via (?:(?P<of>(?:{_PART}\.)?{_PART})\.)?(?P<via>{_PART}))?"
    r"(?: with (?P<partners>[a-z_][a-z0-9_]*(?: and [a-z_][a-z0-9_]*)*))?"
)
_PREVENTION = re.compile(r"guard|(?:fill|sync) (?P<stem>\w+)")
_QUOTED = re.compile(r'"[^"]*"')
_NEEDLESS = re.compile(r'"([a-z_][a-z0-9_]*)"')


class Population(NamedTuple):
    """The denominator of a check: a table with its key, and a predicate if any."""

    entity: str
    table: str
    predicate: str


@dataclass(frozen=True)
class Source:
    """A column whose old and new values say which entities of a check must be judged again.

    The value is the key of the entity, or, with `via`, what that column of the entity's
    own table holds. `partners` are keys of the evidence that name other entities of the
    same relation: what one of them says changes when the other does; sources that differ in
    them alone are equal. `table` is spelled as by `plain`, columns without quotes.
    """

    table: str
    column: str
    entity: str
    via: str | None = None
    partners: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Check:
    """One invariant as its file describes it; texts are the header's own.

    `candidates` names the view that lists the entities among which a full run finds its violations;
    None: its own. It is a file of the pack, db/views/<name>_candidates.sql, says in its header which
    checks it serves, has the columns check_name, entity_type and entity_id, and may list others
    besides; for checks whose own views are written to be asked about some entities, and are slow to
    list all. `candidates_checksum` is that of this file, as `checksum` is that of the check's own.
    """

    name: str
    invariant: str
    severity: str
    entity: str
    changes: str
    population: str
    prevented: str
    repair: str
    cost: str
    description: str
    file: str
    checksum: str
    is_core: bool
    schema: str = PUBLIC
    candidates: str | None = None
    candidates_checksum: str | None = None

    @property
    def entities(self) -> list[str]:
        """The entity types that the check may list."""
        return [part.strip() for part in self.entity.split(",")]

    @cached_property
    def populations(self) -> list[Population]:
        """Entity types paired with the tables that hold them; none for a check on the layer itself."""
        if self.population == "none":
            return []
        parts = [part.strip() for part in self.population.split(";")]
        found = []
        for entity, part in zip(self.entities, parts, strict=True):
            table, _, predicate = part.partition(" where ")
            found.append(Population(entity, self._qualified(table.strip()), predicate.strip() or "true"))
        return found

    @cached_property
    def time(self) -> str | None:
        """How passing time alone changes the verdict: it begins a violation, only ends one, or None."""
        items = _items(self.changes)
        return "begins" if "time" in items else "ends" if "time ends" in items else None

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The columns whose change concerns the check; none when only a full run judges it.

        Raises CatalogError for an item that is not of the form of the contract.
        """
        return tuple(
            self._source(item) for item in _items(self.changes) if item not in ("none", "time", "time ends")
        )

    @cached_property
    def partners(self) -> tuple[str, ...]:
        """Keys of the evidence that name other entities of the same relation."""
        return tuple(dict.fromkeys(key for source in self.sources for key in source.partners))

    def _source(self, item: str) -> Source:
        match = _SOURCE.fullmatch(item)
        if match is None:
            raise CatalogError(
                f"{self.file}: changes: '{item}' is not 'table.column', 'table.column via [table.]column', "
                "'table.column with key [and key]', 'time', 'time ends' or 'none'"
            )
        table = plain(self._qualified(match["table"]))
        of = plain(self._qualified(match["of"])) if match["of"] else None
        populations = self.populations
        if of or len(populations) > 1:
            home = of or table
            populations = [population for population in populations if plain(population.table) == home]
        if len(populations) != 1:
            raise CatalogError(
                f"{self.file}: changes: '{item}' does not say which entity it concerns; "
                f"name its table, as in '{match['table']}.{match['column']} via table.column'"
            )
        partners = tuple(match["partners"].split(" and ")) if match["partners"] else ()
        via = match["via"].strip('"') if match["via"] else None
        return Source(table, match["column"].strip('"'), populations[0].entity, via, partners)

    def _qualified(self, table: str) -> str:
        return table if "." in _QUOTED.sub("", table) else f"{self.schema}.{table}"


class SqlObject(NamedTuple):
    """What a file creates: a view or function of ours, or a trigger on a table."""

    kind: str
    identity: str

    @property
    def table(self) -> str | None:
        """The table of a trigger."""
        return self.identity.partition(" on ")[2] if self.kind == "trigger" else None


@dataclass(frozen=True)
class SqlFile:
    """One deployable file; `name` is relative to its pack, with forward slashes."""

    name: str
    stem: str
    folder: str
    text: str
    checksum: str
    objects: tuple[SqlObject, ...]
    references: frozenset[str]
    is_core: bool

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of the code, bodies and texts included."""
        return frozenset(_WORD.findall(_COMMENT.sub("", self.text).lower()))

    @cached_property
    def uses(self) -> frozenset[str]:
        """What it needs of schema trueup to run, and not only to be created."""
        return frozenset(_REFERENCE.findall(_COMMENT.sub("", self.text)))

    def without_triggers(self, tables: Container[str]) -> str:
        """Return the text without the statements that create triggers on `tables`."""
        bodies: list[str] = []

        def set_aside(match: re.Match[str]) -> str:
            bodies.append(match[0])
            return f"\0{len(bodies) - 1}\0"

        def kept(match: re.Match[str]) -> str:
            table = _TRIGGER_TABLE.search(match[0])
            return "" if table and table["table"] in tables else match[0]

        bare = _COMMENT.sub("", _BODY.sub(set_aside, self.text))
        return re.sub(r"\0(\d+)\0", lambda match: bodies[int(match[1])], _TRIGGER.sub(kept, bare))


@dataclass(frozen=True)
class Pack:
    """The SQL of one domain, the core's own included; `schema` holds the application's tables."""

    root: Path
    checks: tuple[Check, ...]
    schema: str = PUBLIC
    key_type: str = BIGINT
    # what is not in this database, by file, with the reason
    left: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def files(self) -> tuple[SqlFile, ...]:
        """The files in an order in which they can be deployed.

        Read when they are first asked for: a run of checks needs none of them. Raises CatalogError
        for a file that creates nothing, or what another one creates.
        """
        hand = _Hand(self.root, self.schema, self.key_type)
        files = _in_order(_files(CORE, _Hand(CORE)) + _files(self.root, hand))
        return tuple(file for file in files if file.name not in self.left or file.is_core)

    def placed(self, schema: str, key_type: str = BIGINT) -> Pack:
        """Return the pack for a database whose application has another schema, or keys of another type."""
        same = (schema, key_type) == (self.schema, self.key_type)
        return self if same else load(self.root, schema, key_type)

    def written(self, text: str) -> str:
        """Return SQL of the pack, a revision for instance, as this database needs it."""
        return _Hand(self.root, self.schema, self.key_type).written(text)

    def without(self, columns: Iterable[str]) -> Pack:
        """Return the pack without the files that name one of these columns, or need a file that does.

        Columns are given as table.column. Any column of that name is taken for it, so that rather
        too much is left out than what could not run. Left out, too, is a check over keys of two
        types. A check that lacks its repair alone stays, and what it finds is for people.
        """
        left = {
            check.file: f"judges rows of trueup too, whose keys are bigint and not {self.key_type}"
            for check in self.checks
            if self.key_type != BIGINT
            and len({p.table.startswith("trueup.") for p in check.populations}) == 2
        }
        gone: set[str] = set()
        for column in columns:
            name = column.partition(".")[2]
            for file in self.files:
                if not file.is_core and name in file.words:
                    left.setdefault(file.name, f"{self.schema}.{column} is missing")
        if not left:
            return self
        causes = dict(left)
        while found := [file for file in self.files if file.name in left and file.name not in gone]:
            gone |= {file.name for file in found}
            made = {
                item.identity.removeprefix("trueup."): file.name for file in found for item in file.objects
            }
            for file in self.files:
                # a check makes the view of its stem: it takes guard and repair along, and neither takes it
                needed = sorted((file.uses | {file.stem}) & made.keys())
                if needed and file.name not in left and not file.is_core:
                    causes[file.name] = causes[made[needed[0]]]
                    left[file.name] = f"needs {needed[0]} ({causes[file.name]})"
        kept = []
        for check in self.checks:
            if check.file in left and not check.is_core:
                continue
            if f"db/views/{check.candidates}.sql" in left:
                check = replace(check, candidates=None)
            if (repair := f"db/repairs/{check.name}.sql") in left and not check.is_core:
                check = replace(check, repair="review")
                left[repair] += "; the check stays, with repair: review"
            kept.append(check)
        return replace(
            self,
            checks=tuple(kept),
            left=dict(sorted(left.items(), key=lambda item: (not item[0].startswith("checks/"), item[0]))),
        )

    @cached_property
    def objects(self) -> tuple[SqlObject, ...]:
        """What all the files create."""
        return tuple(item for file in self.files for item in file.objects)

    @cached_property
    def guards(self) -> tuple[str, ...]:
        """Names of the guards: trigger files that bear the name of a check."""
        names = {check.name for check in self.checks}
        return tuple(file.stem for file in self.files if file.folder == "triggers" and file.stem in names)

    @cached_property
    def repairs(self) -> frozenset[str]:
        """Names of the checks that have a repair function."""
        own, core = ({path.stem for path in root.glob("db/repairs/*.sql")} for root in (self.root, CORE))
        return frozenset(core | {name for name in own if f"db/repairs/{name}.sql" not in self.left})

    def select(self, names: Iterable[str]) -> list[Check]:
        """Return the checks named, in catalogue order; all of them for no names.

        Raises NotFoundError, with the nearest names, for a name no check bears.
        """
        wanted = list(dict.fromkeys(names))
        known = {check.name: check for check in self.checks}
        for name in wanted:
            if reason := self.left.get(f"checks/{name}.sql"):
                raise NotFoundError(f"check {name} is left out in this database: {reason}")
            if name not in known:
                near = get_close_matches(name, known, n=3, cutoff=0.5)
                hint = f"did you mean {' or '.join(near)}?" if near else "`trueup catalog` lists them"
                raise NotFoundError(f"no check is called {name}; {hint}")
        return [check for check in self.checks if not wanted or check.name in wanted]


def plain(table: str) -> str:
    """Return the name of a table without quotes that only a keyword needs: to compare names by.

    The catalogue writes public."order"; a header may write that, or public.order, or order.
    """
    return _NEEDLESS.sub(r"\1", table)


def default_pack() -> Path:
    """Return the directory of the shipped pack: in the wheel, or the checkout around the package."""
    inside = Path(__file__).parent / "pack"
    return inside if inside.is_dir() else Path(__file__).parents[2]


def load(root: Path | None = None, schema: str = PUBLIC, key_type: str = BIGINT) -> Pack:
    """Return the pack in directory `root` (default: the shipped one) together with the core.

    Where its files say `public.`, they mean `schema`; where they give a name like `p_call_id`
    the type bigint, `key_type`. So do texts and checksums.

    Raises CatalogError, naming file, line and key, for a header that is not exactly
    the contract: one that is almost right would be an alert that never fires.
    """
    root = (root or default_pack()).resolve()
    if not root.is_dir():
        raise CatalogError(
            f"{root} is not a directory; name a pack with --pack, or make one with `trueup init`"
        )
    hand = _Hand(root, schema, key_type)
    own = _checks(root, hand)
    if not own:
        raise CatalogError(f"{root} has no checks: a pack needs at least one file checks/<check>.sql")
    checks = own + _checks(CORE, _Hand(CORE))
    _refuse_twins(checks)
    _refuse_two_homes(checks)
    pack = Pack(root, tuple(sorted(checks, key=lambda check: check.name)), schema, key_type)
    _refuse_missing_repairs(pack)
    _refuse_missing_triggers(pack)
    return pack


def parse(name: str, text: str, file: str, *, is_core: bool = False, schema: str = PUBLIC) -> Check:
    """Return the check that `text` describes; `file` is what errors name."""
    lines = text.splitlines()

    def wrong(number: int, message: str) -> CatalogError:
        return CatalogError(f"{file}:{number}: {message}")

    if not _IDENTIFIER.fullmatch(name) or len(name) > 63:
        raise CatalogError(f"{file}: a check is named in lower case with underscores, at most 63 characters")
    if not lines or lines[0] != f"-- {name}":
        raise wrong(1, f"the first line must be '-- {name}', the name of the file")
    if len(lines) < 2 or lines[1].rstrip() != "--":
        raise wrong(2, "the second line must be '--'")
    values: dict[str, str] = {}
    number = 2
    for number, line in enumerate(lines[2:], start=3):
        if match := _KEY_LINE.match(line):
            key = match["key"]
            expected = KEYS[len(values)] if len(values) < len(KEYS) else None
            if key in values:
                raise wrong(number, f"key '{key}' stands twice")
            if key not in KEYS:
                raise wrong(number, f"unknown key '{key}'; the keys are {', '.join(KEYS)}")
            if key != expected:
                raise wrong(number, f"key '{key}' where '{expected}' belongs; the order is {', '.join(KEYS)}")
            if not match["value"].strip():
                raise wrong(number, f"key '{key}' has no value")
            values[key] = match["value"].strip()
        elif values and (match := _MORE_LINE.match(line)):
            last = KEYS[len(values) - 1]
            values[last] = f"{values[last]} {match['value'].strip()}"
        else:
            break
    if missing := [key for key in KEYS if key not in values]:
        raise wrong(number, f"key '{missing[0]}' is missing; the keys are {', '.join(KEYS)}")
    if values["severity"] not in SEVERITIES:
        raise wrong(_line_of(lines, "severity"), f"severity must be one of {', '.join(SEVERITIES)}")
    if values["repair"] not in REPAIRS:
        raise wrong(_line_of(lines, "repair"), f"repair must be one of {', '.join(REPAIRS)}")
    if values["population"] != "none" and values["population"].count(";") != values["entity"].count(","):
        raise wrong(_line_of(lines, "population"), "one population, separated by ';', for each entity")
    for entity in values["entity"].split(","):
        if not _IDENTIFIER.fullmatch(entity.strip()) or len(entity.strip()) > LONGEST_ENTITY:
            raise wrong(
                _line_of(lines, "entity"),
                f"an entity is named in lower case with underscores, at most {LONGEST_ENTITY} characters",
            )
    prose = []
    for line in lines[number - 1 :]:
        if not line.startswith("--"):
            break
        prose.append(line[2:].strip())
    check = Check(
        name=name,
        description=" ".join(prose).strip(),
        file=file,
        checksum=checksum(text),
        is_core=is_core,
        schema=schema,
        candidates=None,
        **values,
    )
    if check.sources and not check.populations:
        raise wrong(_line_of(lines, "changes"), "without a population only 'none' or 'time' can be meant")
    if name not in (view.lower() for view in _VIEW.findall(_COMMENT.sub("", text))):
        raise CatalogError(f"{file}: no 'create or replace view trueup.{name} as' in this file")
    return check


def readable(path: Path) -> str:
    """Return the text of a file of a pack. Raises CatalogError when it is not UTF-8 text."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CatalogError(f"{path}: not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise CatalogError(f"{path}: holds a NUL character, which no PostgreSQL statement can")
    return text


def singulars(tables: Iterable[str]) -> list[str]:
    """Return what names of columns call a row of each table: company, phone_number, staff."""
    found = []
    for table in tables:
        if table.endswith("ies"):
            found.append(table[:-3] + "y")
        else:
            found.append(re.sub(r"(?<=ch|sh|ss)es$|(?<=x)es$|(?<![s])s$", "", table))
    # a modification of an appointment; and what may be a key of any of them
    return [*found, *(name.rpartition("_")[2] for name in found if "_" in name), "reference"]


@dataclass(frozen=True)
class _Hand:
    """How the SQL of a pack is written for one database.

    A schema, whose name needs no quotes, takes the place of `public`, in bodies, texts and
    comments too. The type of keys takes the place of bigint after a name that ends like
    call_id or call_ids: of a parameter, a variable, a column of ours.
    """

    root: Path
    schema: str = PUBLIC
    key_type: str = BIGINT

    @cached_property
    def keys(self) -> re.Pattern[str]:
        """Find declarations of keys."""
        tables = [
            table
            for path in sorted((self.root / "migrations" / "versions").glob("0001_*.up.sql"))
            for table in _HOST_TABLE.findall(readable(path))
        ]
        return re.compile(rf"\b((?:\w+_)?(?:{'|'.join(singulars(tables))})_ids?\s+)bigint\b")

    def written(self, text: str) -> str:
        """Return the text for this database."""
        if self.schema != PUBLIC:
            text = _HOST.sub(self.schema, text)
        if self.key_type != BIGINT:
            text = self.keys.sub(rf"\g<1>{self.key_type}", text)
        return text


def _checks(root: Path, hand: _Hand) -> list[Check]:
    found = {}
    for path in sorted((root / "checks").glob("*.sql")):
        check = parse(
            path.stem,
            hand.written(readable(path)),
            f"checks/{path.name}",
            is_core=root == CORE,
            schema=hand.schema,
        )
        found[check.name] = check
    for path in sorted((root / "db" / "views").glob("*_candidates.sql")):
        file = path.relative_to(root)
        text = hand.written(readable(path))
        served = _CANDIDATES.search(text)
        if served is None:
            raise CatalogError(f"{file}: no line '-- candidates of: <check>, <check>' in this file")
        for name in re.sub(r"\n--", "", served["checks"]).split(","):
            own = found.get(name.strip())
            if own is None:
                raise CatalogError(f"{file}: candidates of '{name.strip()}', which is no check here")
            if not own.populations:
                raise CatalogError(
                    f"{file}: check {own.name} has no population, so a full run cannot ask about some "
                    "of its entities"
                )
            if own.candidates:
                raise CatalogError(f"{file}: check {own.name} has its candidates in {own.candidates}")
            found[own.name] = replace(own, candidates=path.stem, candidates_checksum=checksum(text))
    return list(found.values())


def _files(root: Path, hand: _Hand) -> list[SqlFile]:
    return [
        _file(root, path, folder, hand)
        for folder in FOLDERS
        for path in sorted((root / folder).glob("*.sql"))
    ]


def _file(root: Path, path: Path, folder: str, hand: _Hand) -> SqlFile:
    text = hand.written(readable(path))
    bare = _BODY.sub("", _COMMENT.sub("", text))
    objects = []
    for match in _CREATE.finditer(bare):
        kind, name = match["kind"].lower(), match["name"]
        if kind == "trigger":
            table = _TRIGGER_TABLE.search(bare, match.end())
            if table is None:
                raise CatalogError(f"{folder}/{path.name}: trigger {name} needs a schema-qualified table")
            name = f"{name} on {table['table']}"
        elif not name.startswith("trueup."):
            raise CatalogError(f"{folder}/{path.name}: {kind} {name} must be in schema trueup")
        if kind == "function" and SqlObject(kind, name) in objects:
            raise CatalogError(
                f"{folder}/{path.name}: {name} is created twice; with other parameters, give it another name"
            )
        if SqlObject(kind, name) not in objects:
            objects.append(SqlObject(kind, name))
    if not objects:
        raise CatalogError(f"{folder}/{path.name}: creates no view, function or trigger")
    return SqlFile(
        name=path.relative_to(root).as_posix(),
        stem=path.stem,
        folder=folder,
        text=text,
        checksum=checksum(text),
        objects=tuple(objects),
        references=frozenset(_REFERENCE.findall(bare)),
        is_core=root == CORE,
    )


def _in_order(files: list[SqlFile]) -> list[SqlFile]:
    creates: dict[str, str] = {}
    for file in files:
        for item in file.objects:
            if item.kind == "trigger":
                continue
            name = item.identity.removeprefix("trueup.")
            if name in creates:
                raise CatalogError(f"{file.name}: trueup.{name} is already created in {creates[name]}")
            creates[name] = file.name
    by_name = {file.name: file for file in files}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for file in files:
        needs = {creates[reference] for reference in file.references if reference in creates}
        sorter.add(file.name, *sorted(needs - {file.name}))
    try:
        order = list(sorter.static_order())
    except CycleError as error:
        raise CatalogError(f"files refer to each other in a circle: {' -> '.join(error.args[1])}") from None
    return [by_name[name] for name in order]


def _refuse_twins(checks: list[Check]) -> None:
    seen: dict[str, Check] = {}
    for check in checks:
        if check.name in seen:
            raise CatalogError(
                f"two checks are called {check.name}: {seen[check.name].file} and {check.file} of the core; "
                "rename yours"
            )
        seen[check.name] = check


def _refuse_two_homes(checks: list[Check]) -> None:
    """Raise CatalogError for an entity that is a row of one table to one check, and of another to another.

    What is generated for an entity asks all of its checks about keys of one table.
    """
    homes: dict[str, tuple[str, str]] = {}
    for check in checks:
        for population in check.populations:
            table = plain(population.table)
            home, other = homes.setdefault(population.entity, (table, check.file))
            if home != table:
                raise CatalogError(
                    f"{check.file}: entity {population.entity} is a row of {table} here, and of {home} in "
                    f"{other}; name one of them otherwise"
                )


def _refuse_missing_repairs(pack: Pack) -> None:
    for check in pack.checks:
        if check.repair != "review" and check.name not in pack.repairs:
            raise CatalogError(
                f"{check.file}: repair is '{check.repair}', but there is no db/repairs/{check.name}.sql"
            )
    if orphans := sorted(pack.repairs - {check.name for check in pack.checks}):
        raise CatalogError(f"db/repairs/{orphans[0]}.sql: no check is called {orphans[0]}")


def _refuse_missing_triggers(pack: Pack) -> None:
    # constraints may be the application's own
    stems = {path.stem for root in (pack.root, CORE) for path in root.glob("triggers/*.sql")}
    for check in pack.checks:
        for part in check.prevented.split(";"):
            named = _PREVENTION.fullmatch(part.strip())
            if named and (stem := named["stem"] or check.name) not in stems:
                raise CatalogError(
                    f"{check.file}: prevented is '{named[0]}', but there is no triggers/{stem}.sql; "
                    "write it, or say 'none: <reason>'"
                )


def _items(changes: str) -> list[str]:
    return [" ".join(item.split()) for item in changes.split(",")]


def _line_of(lines: list[str], key: str) -> int:
    return next(number for number, line in enumerate(lines, start=1) if line.startswith(f"-- {key}:"))


def checksum(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
