"""The texts of the pages and their translations: `make translations`.

Finds the texts as `makemessages` does, but needs no programs of GNU gettext: Django turns a template
into something like Python, and Babel reads that.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).parents[1]
LOCALES = ROOT / "jobs" / "locale"
KEYWORDS = DEFAULT_KEYWORDS | {
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
}
"""Names of functions that translate → which of their arguments are texts."""


def sources() -> Iterator[tuple[Path, str]]:
    """Yield each file that may hold texts, as Python or something like it."""
    for path in sorted((ROOT / "jobs").rglob("*.py")):
        yield path, path.read_text()
    for path in sorted((ROOT / "templates").rglob("*.html")):
        yield path, templatize(path.read_text(), origin=str(path))


def found() -> Catalog:
    """Return the texts of the code and the templates."""
    catalog = Catalog()
    for path, source in sources():
        file = io.BytesIO(source.encode())
        for line, texts, _, context in extract("python", file, keywords=KEYWORDS):
            place = (path.relative_to(ROOT).as_posix(), line)
            catalog.add(texts, context=context, locations=[place])
    return catalog


def languages() -> list[str]:
    return sorted(path.name for path in LOCALES.iterdir() if path.is_dir())


def file_of(language: str, ending: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / f"django.{ending}"


def catalog_of(language: str) -> Catalog:
    with file_of(language, "po").open("rb") as file:
        return read_po(file, locale=language)


def compiled(catalog: Catalog) -> bytes:
    """Return what belongs into the .mo file."""
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def texts(catalog: Catalog) -> dict[tuple[str | None, object], Message]:
    """Return context and text → message, of all but the header."""
    return {(one.context, one.id): one for one in catalog if one.id}


def update(language: str) -> list[Message]:
    """Bring a language's files up to date with the code; return what is still to be translated."""
    catalog = catalog_of(language)
    known = {key: one.string for key, one in texts(catalog).items()}
    new = Catalog(
        language,
        project="django-jobsystem",
        version="1",
        header_comment=catalog.header_comment,
        msgid_bugs_address="",
        last_translator="",
        language_team=language,
        revision_date=datetime(2026, 1, 1, tzinfo=UTC),
        creation_date=datetime(2026, 1, 1, tzinfo=UTC),
        fuzzy=False,
    )
    for key, one in texts(found()).items():
        places = [(path, 0) for path in dict.fromkeys(path for path, _ in one.locations)]
        new.add(one.id, known.get(key, ""), places, context=key[0], flags=one.flags)
    with file_of(language, "po").open("wb") as file:
        write_po(file, new, width=110, sort_by_file=True, include_lineno=False)
    file_of(language, "mo").write_bytes(compiled(catalog_of(language)))
    return [one for one in texts(new).values() if not one.string or one.string == ("", "")]


def main() -> int:
    missing = [(language, one) for language in languages() for one in update(language)]
    for language, one in missing:
        print(f"{language}: not translated yet: {one.id!r}", file=sys.stderr)
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())
