"""The revisions of a pack and of the core, and which of them a database has.

With `migration` the only module that imports Alembic, and it does so when it must: that takes longer than
most commands run.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from trueup import packs
from trueup.errors import CatalogError, DatabaseError, UsageError
from trueup.packs import CORE, Pack
from trueup.store import Session

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

_NAME, _FOLLOWS, _DEPENDS = (
    re.compile(rf"""^{name}(?:\s*:[^=\n]+)?\s*=\s*(?:["']([^"']+)["']|None)\s*(?:#.*)?$""", re.M)
    for name in ("revision", "down_revision", "depends_on")
)

_Stamp: TypeAlias = "tuple[Path, int, int]"


class _Module(NamedTuple):
    """What the module of a revision says word for word; `is_plain` when that is all there is to know."""

    path: Path
    name: str | None
    follows: str | None
    depends: str | None
    is_plain: bool


class Script(NamedTuple):
    """A revision, its module, the revisions that it follows, and others that it depends on."""

    name: str
    path: Path
    follows: tuple[str, ...]
    depends: tuple[str, ...] = ()

    @property
    def is_core(self) -> bool:
        """It is the layer's own, not the pack's."""
        return self.path.is_relative_to(CORE)


def refuse_newer(connection: Session, pack: Pack, *, replace_pack: bool = False) -> None:
    """Raise DatabaseError when the database is at a revision that this package does not know.

    Likewise when it was migrated with another pack, as far as it can tell: the two have neither a revision
    nor a check in common. With `replace_pack`, this one may take the place of the other.
    """
    present = current(connection)
    known = {module.name: module.path for module in _modules(pack) if module.name}
    if not known.keys() >= set(present):
        known = {script.name: script.path for script in walk(pack)}
    _refuse_unknown(present, known)
    if replace_pack or any(not known[name].is_relative_to(CORE) for name in present):
        return
    deployed = connection.values("deployed_checks") if connection.value("has_trueup") else []
    if deployed and not {check.name for check in pack.checks if not check.is_core} & set(deployed):
        shown = ", ".join(deployed[:3]) + (" ..." if len(deployed) > 3 else "")
        raise DatabaseError(
            f"the database was migrated with another pack (its checks: {shown}), and {pack.root} has none of "
            "them; name the other with --pack or TRUEUP_PACK,\n"
            "or, to drop what it deployed and put this one in its place, run `trueup migrate --replace-pack`"
        )


def _refuse_unknown(present: Iterable[str], known: Container[str]) -> None:
    if unknown := [revision for revision in present if revision not in known]:
        raise DatabaseError(
            f"the database is at revision {', '.join(unknown)}, which this package does not know; "
            "upgrade trueup (pip install -U trueup), or name the pack it was migrated with"
        )


def current(connection: Session) -> tuple[str, ...]:
    """Return the revisions the database is at; none for one that has no trueup."""
    if not connection.value("has_versions"):
        return ()
    return tuple(connection.values("versions"))


def pending_revisions(connection: Session, pack: Pack) -> list[str]:
    """Return the revisions that the database lacks, in their order: those of the core, then the pack's.

    Raises DatabaseError when it is at one that this package does not know.
    """
    known = {script.name: script for script in walk(pack)}
    had: set[str] = set()
    left = list(current(connection))
    _refuse_unknown(left, known)
    while left:
        script = known[left.pop()]
        had.add(script.name)
        left += [name for name in (*script.follows, *script.depends) if name not in had]
    return [name for name in known if name not in had]


def first_revision(pack: Pack) -> str | None:
    """Return the pack's host revision, which adopt stamps; None for a pack without revisions."""
    directory = pack.root / "migrations" / "versions"
    for script in walk(pack):
        if not script.follows and script.path.parent.resolve() == directory.resolve():
            return script.name
    return None


def is_adopted(connection: Session, pack: Pack) -> bool:
    """Say whether the pack's host revision was run or stamped."""
    return first_revision(pack) not in (None, *pending_revisions(connection, pack))


def refuse_branches(pack: Pack) -> None:
    """Raise CatalogError when the revisions are no line: two follow the same one, or bear one name.

    As after a merge of two branches of work, each with a revision of its own.
    """
    known = {script.name: script for script in walk(pack)}
    followed = {name for script in known.values() for name in script.follows}
    lines: dict[str, list[list[Script]]] = {}
    heads = (script for script in known.values() if script.name not in followed)
    for head in sorted(heads, key=lambda script: script.path.name):
        trail = [head]
        while trail[-1].follows:
            trail.append(known[trail[-1].follows[0]])
        lines.setdefault(trail[-1].name, []).append(trail)
    for trails in lines.values():
        if len(trails) < 2:
            continue
        common = next(script for script in trails[0] if all(script in trail for trail in trails[1:]))
        firsts = [trail[trail.index(common) - 1] for trail in trails]
        shown = " and ".join(f"{script.name} ({script.path.name})" for script in firsts)
        raise CatalogError(
            f"{shown} both follow {common.name}: let one follow the other "
            f"(down_revision = '{trails[0][0].name}' in {firsts[1].path.name}), "
            "unless a database has run it already; then let the other one follow"
        )


def refuse_no_target(connection: Session, pack: Pack, revision: str) -> None:
    """Raise UsageError when `revision` names nothing that a downgrade could take the database to."""
    from alembic.util.exc import CommandError

    # of an empty name, also behind a branch, Alembic says nothing
    if not revision.rpartition("@")[2]:
        raise UsageError(
            f"rollback '{revision}' names no revision, as bookings@bookings_0004 does; nothing was changed"
        )
    # declared as one; Alembic itself passes all of them
    heads: Any = current(connection)
    try:
        scripts(pack)._downgrade_revs(revision, heads)
    except CommandError as error:
        raise UsageError(f"rollback {revision}: {error}; nothing was changed") from error


def alembic_config(pack: Pack, output: StringIO | None = None) -> Config:
    """Return Alembic's configuration for a pack; what its commands print goes to `output`."""
    from alembic.config import Config

    made = Config(output_buffer=output) if output else Config()
    made.attributes["pack"] = pack
    _locate(made, pack.root)
    return made


def walk(pack: Pack) -> list[Script]:
    """Return the revisions, each after those that it follows: those of the core, then the pack's.

    Raises CatalogError when two bear one name, or one follows what is not there.
    """
    modules = _modules(pack)
    if plain := _plain_lines(modules):
        return plain
    _refuse_torn(modules)
    directory = scripts(pack)
    newest_first = [
        Script(
            one.revision,
            Path(one.path),
            _names(one.down_revision),
            tuple(directory.get_revision(name).revision for name in _names(one.dependencies)),
        )
        for one in directory.walk_revisions()
    ]
    oldest_first = newest_first[::-1]
    return sorted(oldest_first, key=lambda script: not script.is_core)


def scripts(pack: Pack) -> ScriptDirectory:
    """Return the revisions as Alembic knows them; their modules are run again when one has changed."""
    return _scripts(pack.root, _stamps(pack))


def _modules(pack: Pack) -> tuple[_Module, ...]:
    """Return what the modules of the revisions say; they are read again when one has changed."""
    return _read(_stamps(pack))


@lru_cache(maxsize=1)
def _read(stamps: tuple[_Stamp, ...]) -> tuple[_Module, ...]:
    found = []
    for path, *_ in stamps:
        text = packs.readable(path)
        said = [pattern.search(text) for pattern in (_NAME, _FOLLOWS, _DEPENDS)]
        name, follows, depends = (match and match[1] for match in said)
        found.append(_Module(path, name, follows, depends, name is not None and None not in said))
    return tuple(found)


def _plain_lines(modules: tuple[_Module, ...]) -> list[Script]:
    """Return the revisions as `walk` does; none where Alembic must be asked.

    That is for a revision that merges others or is computed, and for any that stand in no plain lines.
    """
    lines: dict[str, list[Script]] = {}
    following: dict[str, Script] = {}
    for path, name, follows, depends, is_plain in modules:
        if name is None or not is_plain:
            return []
        script = Script(name, path, _names(follows), _names(depends))
        if follows:
            following[follows] = script
        else:
            lines[name] = [script]
    for line in lines.values():
        while line[-1].name in following:
            line.append(following.pop(line[-1].name))
    ordered = [script for line in lines.values() for script in line]
    named = {script.name for script in ordered}
    if len(ordered) == len(named) == len(modules) and named.issuperset(d for s in ordered for d in s.depends):
        return sorted(ordered, key=lambda script: not script.is_core)
    return []


def _refuse_torn(modules: tuple[_Module, ...]) -> None:
    """Raise CatalogError, which Alembic would not: for two of one name, or one that follows none there is."""
    named: dict[str, Path] = {}
    for path, name, *_ in modules:
        if name in named:
            raise CatalogError(
                f"{named[name].name} and {path.name} are both called {name}: rename the one that no database "
                "has run, and let it follow the other"
            )
        if name:
            named[name] = path
    for path, name, follows, *_ in modules:
        if name and follows and follows not in named:
            raise CatalogError(
                f"{path.name}: revision {name} follows {follows}, and there is no such revision"
            )


@lru_cache(maxsize=1)
def _scripts(root: Path, stamps: tuple[_Stamp, ...]) -> ScriptDirectory:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    made = Config()
    _locate(made, root)
    return ScriptDirectory.from_config(made)


def _locate(config: Config, root: Path) -> None:
    config.set_main_option("script_location", _escaped(CORE / "migrations"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(_escaped(path) for path in _versions(root)))


def _versions(root: Path) -> list[Path]:
    """Return the directories of the revisions: the core's, and the pack's when it has one."""
    own = root / "migrations" / "versions"
    return [CORE / "migrations" / "versions", *([own] if own.is_dir() else [])]


def _stamps(pack: Pack) -> tuple[_Stamp, ...]:
    """Return the modules of the revisions, each with when it was written and how long it is."""
    modules = [path for directory in _versions(pack.root) for path in sorted(directory.glob("*.py"))]
    return tuple((path, (stat := path.stat()).st_mtime_ns, stat.st_size) for path in modules)


def _names(value: Any) -> tuple[str, ...]:
    """Return one revision, several or none, as Alembic spells them, in a tuple."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")
