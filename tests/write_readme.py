"""Write the tables of README.md, db/README.md and docs/metrics.md: what `make readme` runs, and tests compare.

Run as `python tests/write_readme.py`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DBA = ROOT / "db" / "README.md"
METRICS = ROOT / "docs" / "metrics.md"
COMMENT = re.compile(r"^comment on (view|column) trueup\.(\w+)(?:\.(\w+))? is '(.*)';$", re.M)


def catalogue() -> str:
    """Return what `trueup catalog --format markdown` prints for the pack of this checkout."""
    command = [sys.executable, "-m", "trueup", "catalog", "--format", "markdown", "--pack", str(ROOT)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def dashboards() -> str:
    """Return the table of the views of db/dashboards, from the comments in their files."""
    lines = ["| view | one row is | columns |", "|---|---|---|"]
    folders = (ROOT / "src" / "trueup" / "core" / "db" / "dashboards", ROOT / "db" / "dashboards")
    for path in sorted((path for folder in folders for path in folder.glob("*.sql")), key=lambda p: p.name):
        said = COMMENT.findall(path.read_text(encoding="utf-8"))
        columns = ", ".join(f"`{column}`" for kind, _, column, _ in said if kind == "column")
        lines.append(f"| `{path.stem}` | {said[0][3]} | {columns} |")
    return "\n".join(lines) + "\n"


def metrics() -> str:
    """Return the table of all metrics, group by group."""
    from trueup.exposition import METRICS as KNOWN

    lines = ["| metric | labels | meaning | group |", "|---|---|---|---|"]
    for each in KNOWN.values():
        labels = ", ".join(f"`{label}`" for label in each.labels)
        lines.append(f"| `{each.full_name}` | {labels} | {each.help} | {each.group} |")
    return "\n".join(lines) + "\n"


def renewed(text: str, **tables: Callable[[], str]) -> str:
    """Return a page with its tables as they are now. Raises ValueError without the two markers of each."""
    for name, table in (tables or {"catalogue": catalogue}).items():
        between = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.S)
        text, places = between.subn(table().replace("\\", r"\\"), text)
        if places != 1:
            raise ValueError(
                f"a page needs '<!-- {name} -->' and '<!-- /{name} -->', each once on its own line"
            )
    return text


def pages() -> dict[Path, str]:
    """Return every page that holds such tables, with its text as it should be."""
    return {
        README: renewed(README.read_text(encoding="utf-8")),
        DBA: renewed(DBA.read_text(encoding="utf-8"), dashboards=dashboards),
        METRICS: renewed(METRICS.read_text(encoding="utf-8"), metrics=metrics),
    }


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
