"""Links from pages to files of the repository that are no pages: relative in the repository, absolute on the site."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_RELATIVE_LINK = re.compile(r"(?<!!)(\[[^\]]*\]\()(\.\./[^)]+)\)")


def _make_absolute(app: Sphinx, docname: str, source: list[str]) -> None:
    repository = app.config.html_theme_options["source_repository"]
    root = Path(app.srcdir).parent

    def absolute(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(docname), link[2]))
        if path.startswith("docs/"):
            return link[0]
        kind = "tree" if (root / path).is_dir() else "blob"
        return f"{link[1]}{repository}/{kind}/main/{path})"

    source[0] = _RELATIVE_LINK.sub(absolute, source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", _make_absolute)
    return {"parallel_read_safe": True}
