"""Write the catalogue into README.md: what `make readme` runs, and what a test compares.

Run as `python tests/write_readme.py`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BETWEEN = re.compile(r"(?<=<!-- catalogue -->\n).*?(?=<!-- /catalogue -->)", re.S)


def catalogue() -> str:
    """Return what `trueup catalog --format markdown` prints for the pack of this checkout."""
    command = [sys.executable, "-m", "trueup", "catalog", "--format", "markdown", "--pack", str(ROOT)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def renewed(text: str) -> str:
    """Return the README with the catalogue as it is now. Raises ValueError without its two markers."""
    table = catalogue()
    written, places = BETWEEN.subn(lambda _: table, text)
    if places != 1:
        raise ValueError(
            "README.md needs '<!-- catalogue -->' and '<!-- /catalogue -->', each once on its own line"
        )
    return written


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
