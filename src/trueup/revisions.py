"""The revisions of a pack and of the core, and which of them a database has.

With `migration` the only module that imports Alembic, and it imports it when used.
"""

from __future__ import annotations

import re
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup import packs
from trueup.errors import CatalogError, DatabaseError, UsageError
from trueup.packs import CORE, Pack
from trueup.store import Session

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

_REVISION = re.compile(r"""^revision(?:\s*:[^=\n]+)?\s*=\s*["']([^"']+)["']""", re.M)
_FOLLOWS = re.compile(r"""^down_revision(?:\s*:[^=\n]+)?\s*=\s*["']([^"']+)["']""", re.M)


def refuse_newer(connection: Session, pack: Pack, *, replace_pack: bool = False) -> None:
    """Raise DatabaseError when the database is at a revision that this package does not know.

    Likewise when it was migrated with another pack, as far as it can tell: the two have neither a revision
    nor a check in common. With `replace_pack`, this one may take the place of the other.
    """
    # most commands have no other need of Alembic, which takes longer to import than they run
    spelled = {name: path for path, name, _ in _files(pack)}
    present = current(connection)
    unknown = [revision for revision in present if revision not in spelled]
    if unknown:
        known = {script.revision for script in scripts(pack).walk_revisions()}
        unknown = [revision for revision in unknown if revision not in known]
    if unknown:
        raise DatabaseError(
            f"the database is at revision {', '.join(unknown)}, which this package does not know; "
            "upgrade trueup (pip install -U trueup), or name the pack it was migrated with"
        )
    if replace_pack or any(not spelled[name].is_relative_to(CORE) for name in present if name in spelled):
        return
    deployed = connection.values("deployed_checks") if connection.value("has_trueup") else []
    if deployed and not {check.name for check in pack.checks if not check.is_core} & set(deployed):
        shown = ", ".join(deployed[:3]) + (" ..." if len(deployed) > 3 else "")
        raise DatabaseError(
            f"the database was migrated with another pack (its checks: {shown}), and {pack.root} has none of "
            "them; name the other with --pack or TRUEUP_PACK,\n"
            "or, to drop what it deployed and put this one in its place, run `trueup migrate --replace-pack`"
        )


def current(connection: Session) -> tuple[str, ...]:
    """Return the revisions the database is at; none for one that has no trueup."""
    if not connection.value("has_versions"):
        return ()
    return tuple(connection.values("versions"))


def pending_revisions(connection: Session, pack: Pack) -> list[str]:
    """Return the revisions that the database lacks, in their order: those of the core, then the pack's."""
    directory = scripts(pack)
    walked = list(directory.walk_revisions())[::-1]
    wanted = [
        script.revision
        for script in sorted(walked, key=lambda script: not Path(script.path).is_relative_to(CORE))
    ]
    had: set[str] = set()
    left = list(current(connection))
    while left:
        script = directory.get_revision(left.pop())
        had.add(script.revision)
        left += [
            name for name in (*names(script.down_revision), *names(script.dependencies)) if name not in had
        ]
    return [name for name in wanted if name not in had]


def first_revision(pack: Pack) -> str | None:
    """Return the pack's host revision, which adopt stamps; None for a pack without revisions."""
    directory = pack.root / "migrations" / "versions"
    for script in scripts(pack).walk_revisions():
        if script.down_revision is None and Path(script.path).parent.resolve() == directory.resolve():
            return str(script.revision)
    return None


def is_adopted(connection: Session, pack: Pack) -> bool:
    """Say whether the pack's host revision was run or stamped."""
    return first_revision(pack) not in (None, *pending_revisions(connection, pack))


def refuse_branches(pack: Pack) -> None:
    """Raise CatalogError when the revisions are no line: two follow the same one, or bear one name.

    As after a merge of two branches of work, each with a revision of its own.
    """
    files = _files(pack)
    named: dict[str, Path] = {}
    for path, name, _ in files:
        if name in named:
            raise CatalogError(
                f"{named[name].name} and {path.name} are both called {name}: rename the one that no database "
                "has run, and let it follow the other"
            )
        named[name] = path
    for path, name, follows in files:
        if follows and follows not in named:
            raise CatalogError(
                f"{path.name}: revision {name} follows {follows}, and there is no such revision"
            )
    directory = scripts(pack)
    lines: dict[str, list[Any]] = {}
    for head in directory.get_revisions("heads"):
        script = head
        while script.down_revision:
            script = directory.get_revision(names(script.down_revision)[0])
        lines.setdefault(script.revision, []).append(head)
    for heads in lines.values():
        if len(heads) < 2:
            continue
        trails = [[head] for head in heads]
        for trail in trails:
            while trail[-1].down_revision:
                trail.append(directory.get_revision(names(trail[-1].down_revision)[0]))
        common = next(s for s in trails[0] if all(s in trail for trail in trails[1:]))
        firsts = [trail[trail.index(common) - 1] for trail in trails]
        shown = " and ".join(f"{s.revision} ({Path(s.path).name})" for s in firsts)
        raise CatalogError(
            f"{shown} both follow {common.revision}: let one follow the other "
            f"(down_revision = '{trails[0][0].revision}' in {Path(firsts[1].path).name}), "
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


def scripts(pack: Pack) -> ScriptDirectory:
    """Return the revisions as Alembic knows them; their modules are run again when one has changed."""
    found = [(path, path.stat()) for path in _modules(pack.root)]
    return _scripts(pack.root, tuple((path, stat.st_mtime_ns, stat.st_size) for path, stat in found))


@lru_cache(maxsize=1)
def _scripts(root: Path, modules: tuple[tuple[Path, int, int], ...]) -> ScriptDirectory:
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


def _modules(root: Path) -> list[Path]:
    return [path for directory in _versions(root) for path in sorted(directory.glob("*.py"))]


def _files(pack: Pack) -> list[tuple[Path, str, str | None]]:
    """Return the modules of the revisions, each with its name and the one it follows."""
    found = []
    for path in _modules(pack.root):
        text = packs.readable(path)
        if match := _REVISION.search(text):
            follows = _FOLLOWS.search(text)
            found.append((path, match[1], follows[1] if follows else None))
    return found


def names(value: Any) -> tuple[str, ...]:
    """Return one revision, several or none, as Alembic spells them, in a tuple."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")
