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


def extracted() -> Catalog:
    """Return every string of the pages, without where it stands: lines move."""
    found = Catalog()
    for _file, _line, message, _comments, _context in extract_from_dir(PACKAGE, METHODS):
        found.add(message)
    return found


def merged() -> Catalog:
    """Return the German that is there, for the strings that are there now."""
    before = pofile.read_po(io.BytesIO(GERMAN.read_bytes() if GERMAN.exists() else b""), locale="de")
    made = Catalog(locale="de", project="trueup", charset="utf-8")
    for message in sorted(extracted(), key=lambda each: str(each.id)):
        if message.id:
            known = before.get(message.id)
            made.add(message.id, known.string if known else None)
    return made


def written(catalog: Catalog) -> tuple[bytes, bytes]:
    """Return the .po and the .mo of a catalogue, without dates: the same strings are the same file."""
    text, compiled = io.BytesIO(), io.BytesIO()
    pofile.write_po(text, catalog, omit_header=True, width=110)
    header = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    header += f'"Plural-Forms: {catalog.plural_forms}\\n"\n\n'
    plain = pofile.read_po(io.BytesIO(header.encode() + text.getvalue()), locale="de")
    plain.mime_headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Plural-Forms", catalog.plural_forms),
    ]
    mofile.write_mo(compiled, plain)
    return header.encode() + text.getvalue(), compiled.getvalue()


if __name__ == "__main__":
    po, mo = written(merged())
    GERMAN.write_bytes(po)
    GERMAN.with_suffix(".mo").write_bytes(mo)
