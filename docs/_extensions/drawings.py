"""Mermaid's drawings: the site brings the script along, and only pages with a drawing load it."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_FETCHED = Path(sys.prefix) / "mermaid"  # by .ci/mermaid; without npm it is not there
_ELSEWHERE = "https://cdn.jsdelivr.net/npm/mermaid@11/dist/mermaid.min.js"


class _Drawing(nodes.raw):
    pass


class _Mermaid(SphinxDirective):
    has_content = True

    def run(self) -> list[nodes.Node]:
        text = escape("\n".join(self.content))
        return [_Drawing("", f'<pre class="mermaid">{text}</pre>', format="html")]


def _use_the_fetched_script(app: Sphinx, config: Any) -> None:
    if (_FETCHED / "mermaid.min.js").exists():
        config.html_static_path.append(str(_FETCHED))


def _load_script(app: Sphinx, page: str, template: str, context: object, doctree: nodes.document | None) -> None:
    if doctree is not None and next(doctree.findall(_Drawing), None):
        app.add_js_file("mermaid.min.js" if (_FETCHED / "mermaid.min.js").exists() else _ELSEWHERE)
        app.add_js_file("drawings.js")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(_Drawing, html=(lambda visitor, node: visitor.visit_raw(node), lambda visitor, node: None))
    app.add_directive("mermaid", _Mermaid)
    app.connect("config-inited", _use_the_fetched_script)
    app.connect("html-page-context", _load_script)
    return {"parallel_read_safe": True}
