"""Write the translations of the console: strings of the source into its .po, and that into the .mo it loads."""

from __future__ import annotations

import io
from pathlib import Path

from babel.messages import mofile, pofile
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "trueup" / "web"
GERMAN = PACKAGE / "translations" / "de" / "LC_MESSAGES" / "messages.po"
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]


class _Undated(Catalog):
    """A catalogue whose header says nothing that changes by itself: the same strings are the same file."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Language", "de"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Plural-Forms", self.plural_forms),
        ]


def extracted() -> Catalog:
    """Return every string of the pages, without where it stands: lines move."""
    found = Catalog()
    for _file, _line, message, _comments, _context in extract_from_dir(PACKAGE, METHODS):
        found.add(message)
    return found


def merged() -> Catalog:
    """Return the German that is there, for the strings that are there now."""
    before = pofile.read_po(io.BytesIO(GERMAN.read_bytes() if GERMAN.exists() else b""), locale="de")
    made = _Undated(
        locale="de", header_comment="# German, written by tests/write_translations.py", fuzzy=False
    )
    for message in sorted(extracted(), key=lambda each: str(each.id)):
        if message.id:
            known = before.get(message.id)
            made.add(message.id, known.string if known else None)
    return made


def written(catalog: Catalog) -> tuple[bytes, bytes]:
    """Return the .po and the .mo of a catalogue."""
    text, compiled = io.BytesIO(), io.BytesIO()
    pofile.write_po(text, catalog, width=110)
    mofile.write_mo(compiled, catalog)
    return text.getvalue(), compiled.getvalue()


if __name__ == "__main__":
    po, mo = written(merged())
    GERMAN.write_bytes(po)
    GERMAN.with_suffix(".mo").write_bytes(mo)
