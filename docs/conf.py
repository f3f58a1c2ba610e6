"""The documentation site: `make docs` builds it from the pages beside this file."""

from __future__ import annotations

import sys
from pathlib import Path

import dddkit

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

project = "dddkit"
author = "The dddkit authors"
project_copyright = author
version = release = dddkit.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "api_reference",
    "drawings",
    "repository_links",
]
exclude_patterns = ["_build"]
default_role = "code_or_link"
pygments_dark_style = "github-dark"
nitpicky = True  # what a page or a docstring refers to has to be there
nitpick_ignore_regex = [
    # Type aliases and protocols of ours that are explained where they are used.
    ("py:class", r"(Handler|Predicate|H|Publish|BacklogMetrics|UnitT)"),
    ("py:class", r"dddkit\.stories\.dbos\.watching\.Metrics"),
    ("py:class", r"dddkit\.sqlalchemy\._custom_storage\.CustomSQL"),
    ("py:class", r"collections\.abc\.Mapping\[str"),  # half of Mapping[str, str], as Napoleon parts it
    # What a module imports for type checkers alone: it is known by its short name.
    ("py:class", r"(AsyncEngine|MetaData|TypeEngine|UUID|datetime)"),
    ("py:class", r"(NatsBroker|RabbitBroker|RabbitExchange|RabbitSubscriber|LogicSubscriber)"),
]

REPOSITORY = "https://github.com/mom1/dddkit"

html_theme = "furo"
html_title = f"dddkit {release}"
html_baseurl = "https://mom1.github.io/dddkit/"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"source_repository": REPOSITORY, "source_branch": "main", "source_directory": "docs/"}

myst_heading_anchors = 4  # the anchors that GitHub makes
myst_fence_as_directive = ["mermaid"]

add_module_names = False
autodoc_class_signature = "mixed"
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    # Of what these bring, only what we override is ours to explain.
    "inherited-members": "object, BaseModel, BaseException, ImportError, AttributeError, Enum, tuple, Protocol",
    "exclude-members": "model_config, ask_anew",
}
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
maximum_signature_line_length = 88
napoleon_custom_sections = [("What is returned raises", "params_style")]
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # entries of their own would take links: `type` of a signature for the attribute of that name
python_use_unqualified_type_names = True
