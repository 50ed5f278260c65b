"""Programs for the tests from Debian's packages, unpacked below .cache and never installed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from postgres import CACHE, _do, _said


def unpacked(package: str, libraries: str | None = None) -> Path:
    """Return the directory that holds a package's files; skip the test where it cannot be had.

    `libraries` is a pattern for those of its dependencies that a system may lack.
    """
    home = CACHE.with_name(package)
    if home.exists():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as made:
        work = Path(made)
        if os.geteuid() == 0:
            # apt downloads as a user of its own, who must be able to write here
            with contextlib.suppress(LookupError, OSError):
                shutil.chown(work, "_apt")
        try:
            needs: list[str] = []
            if libraries:
                known = _do(["apt-cache", "depends", package], work)
                needs = re.findall(rf"^\s*Depends: ({libraries})$", known, re.M)
            _do(["apt-get", "download", "--quiet", package, *needs], work)
            for archive in work.glob("*.deb"):
                _do(["dpkg", "-x", str(archive), "unpacked"], work)
            # two processes of the suite may both have fetched it
            with contextlib.suppress(OSError):
                (work / "unpacked").replace(home)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"{package} cannot be fetched: {_said(error)}")
    return home
