"""The documentation site: `make docs` builds it from the pages beside this file."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

import dddkit

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
project = "dddkit"
author = "The dddkit authors"
project_copyright = author
version = release = dddkit.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxcontrib.mermaid"]
exclude_patterns = ["_build"]
nitpicky = True
pygments_style = "default"
pygments_dark_style = "github-dark"

REPOSITORY = "https://github.com/mom1/dddkit"

html_theme = "furo"
html_title = f"dddkit {release}"
html_baseurl = "https://mom1.github.io/dddkit/"
html_static_path = ["_static"]
html_copy_source = False
html_theme_options = {
    "source_repository": REPOSITORY,
    "source_branch": "main",
    "source_directory": "docs/",
}

myst_heading_anchors = 4  # the anchors that GitHub makes
myst_fence_as_directive = ["mermaid"]

# -- Links to files of the repository that are no pages -----------------------------------------------------------------

_RELATIVE_LINK = re.compile(r"(?<!!)(\[[^\]]*\]\()(\.\./[^)]+)\)")


def link_to_the_repository(app: Sphinx, docname: str, source: list[str]) -> None:
    """Make links to what lies outside of docs/ absolute; in the repository they are relative."""

    def absolute(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(docname), link[2]))
        if path.startswith("docs/"):
            return link[0]
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return f"{link[1]}{REPOSITORY}/{kind}/main/{path})"

    source[0] = _RELATIVE_LINK.sub(absolute, source[0])


# -- Pages that are on their way: index.md lists them already -----------------------------------------------------------

TO_COME = (
    "tutorial/*",
    "building_blocks",
    "stories",
    "glossary",
    "checked_when",
    "migration_0_5",
    "migration_stories",
    "stability",
    "recipes",
    "drawings",
)


def leave_out_pages_to_come(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == "index":
        for page in TO_COME:
            if not list(Path(app.srcdir).glob(f"{page}.md")):
                source[0] = source[0].replace(f"\n{page}\n", "\n")


def setup(app: Sphinx) -> None:
    app.connect("source-read", link_to_the_repository)
    app.connect("source-read", leave_out_pages_to_come)
