"""What makes our docstrings pages of a reference: code, links, signatures, and since when a name is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from docutils import nodes
from sphinx import addnodes
from sphinx.domains.python import PyObject
from sphinx.pycode import ModuleAnalyzer

if TYPE_CHECKING:
    from docutils.parsers.rst.states import Inliner
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

# -- Code


def _mark_code(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Make code blocks of what is indented after an empty line, as our docstrings show code, unless `::` marks it."""
    marked: list[str] = []
    before = ""  # the last line that is not empty
    for line in lines:
        indent = len(before) - len(before.lstrip())
        begins = line.startswith(" " * (indent + 4)) and bool(marked) and not marked[-1]
        if begins and not before.endswith("::"):
            marked += [f"{' ' * indent}.. code-block:: python", ""]
        marked.append(line)
        before = line or before
    lines[:] = marked


# -- Names in single backticks: links where they are documented, else code


def _code_or_link(
    role: str, source: str, text: str, line: int, inliner: Inliner, options: object = None, content: object = None
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    if not re.fullmatch(r"[A-Za-z_][\w.]*", text):
        return [nodes.literal(source, text)], []
    env: BuildEnvironment = inliner.document.settings.env
    link = addnodes.pending_xref(
        source,
        nodes.literal(source, text, classes=["xref", "py", "py-obj"]),
        refdomain="py",
        reftype="obj",
        reftarget=text,
        refdoc=env.docname,
        refexplicit=False,
        may_be_code=True,
    )
    link["py:module"] = env.ref_context.get("py:module")
    link["py:class"] = env.ref_context.get("py:class")
    return [link], []


def _found(name: str) -> Any:
    """Import what has this dotted name."""
    path = name.split(".")
    for length in range(len(path) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(path[:length]))
        except ImportError:
            continue
        for attribute in path[length:]:
            found = getattr(found, attribute)
        return found
    raise LookupError(name)


def _link_to_public_name(app: Sphinx, env: BuildEnvironment, node: Any, text: nodes.TextElement) -> Any:
    """Link an exception, whichever module speaks of it, and what is documented as data and used as a type."""
    python = env.domains.python_domain
    for module in ("dddkit.exceptions", node.get("py:module")):
        name = f"{module}.{node['reftarget']}"
        if name in python.objects:
            return python.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, text)
    return None


def _text_of_what_has_no_page(
    app: Sphinx, env: BuildEnvironment, node: Any, text: nodes.TextElement
) -> nodes.TextElement | None:
    """Leave names of other libraries, and type variables, without a link; all others are warned of."""
    if link := _link_to_public_name(app, env, node, text):
        return link
    if node.get("may_be_code"):
        return nodes.literal(text.rawsource, text.astext())
    name: str = node["reftarget"]
    try:
        found = _found(name)
    except (LookupError, AttributeError):
        return None
    return text if isinstance(found, TypeVar) or not name.startswith("dddkit") else None


# -- Signatures: what a caller writes

_OF_HELPERS: Final = {
    "dddkit._core.broker": ("EventBroker.handle", "EventBroker.instance"),
    "dddkit.testing.runs": ("run_failing", "run_until"),
}
"""Functions whose overloads tell a checker more than a reader."""

_WRITTEN: Final = {
    "EventBroker.handle": ("(*event_classes: type)", "Callable[[H], H]"),
    "EventBroker.instance": ("(selector: type | tuple[type, ...], /)", "Callable[[H], H]"),
    "Aggregate.add_event": ("(event: AggregateEvent)", "None"),
    "Aggregate.get_events": ("()", "list[AggregateEvent]"),
    "Aggregate.pull_events": ("()", "list[AggregateEvent]"),
    "inject_hooks": ("(story: type[Story], hooks: Iterable[StoryHook] | None = None)", "HookRegistration"),
    "run_failing": (
        "(story: Story, state: StoryState, *, at: str, error: BaseException)",
        "None | Awaitable[None]",
    ),
    "run_until": ("(story: Story, state: StoryState, step: str)", "None | Awaitable[None]"),
}
"""Signatures whose types are private, or are there for checkers."""

_NOT_FOR_CALLERS: Final = {"HookRegistration", "RunStatus", "StepStatus", "Subscription"}
_GENERATED: Final = ("(*args", "(*arguments", "(**data")


def _leave_out_overloads(app: Sphinx) -> None:
    for module, names in _OF_HELPERS.items():
        analyzer = ModuleAnalyzer.for_module(module)
        analyzer.analyze()
        for name in names:
            del analyzer.overloads[name]


def _sign(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None] | None:
    for ending, written in _WRITTEN.items():
        if name.endswith(f".{ending}"):
            return written
    if what == "class" and signature is not None:
        is_made_by_us = name.rpartition(".")[2] in _NOT_FOR_CALLERS
        if is_made_by_us or signature.startswith(_GENERATED):
            return "", None
    return None


# -- The inventory


def _list_under_every_public_name(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """List what several of our packages export under each of their names: users' docstrings write any of them."""
    python = env.domains.python_domain
    for module in tuple(python.modules):
        exported = importlib.import_module(module)
        for name in exported.__all__:
            documented = [
                entry
                for full, entry in python.objects.items()
                if full.endswith(f".{name}") and not entry.aliased and _found(full) is getattr(exported, name)
            ]
            if documented and f"{module}.{name}" not in python.objects:
                python.objects[f"{module}.{name}"] = documented[0]._replace(aliased=True)  # not in the search
    return []


# -- Since when

_OLD: Final = frozenset(Path(__file__).with_name("names_of_0_5.txt").read_text(encoding="utf-8").split())


def _say_since_when(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Say of what 0.5 did not have that 1.0 brought it; what comes later says so in its docstring."""
    owner = name.rpartition(".")[0]
    is_member = what in ("attribute", "method", "property")
    is_new = name not in _OLD and (not is_member or owner in _OLD)
    if is_new and not any(line.lstrip().startswith(".. versionadded::") for line in lines):
        lines += ["", ".. versionadded:: 1.0", ""]


def setup(app: Sphinx) -> dict[str, Any]:
    (attributes,) = (field for field in PyObject.doc_field_types if field.name == "variable")
    attributes.label = "Attributes"  # as our docstrings call them
    app.add_role("code_or_link", _code_or_link)
    app.connect("builder-inited", _leave_out_overloads)
    app.connect("autodoc-process-docstring", _mark_code, priority=400)  # before Napoleon
    app.connect("autodoc-process-docstring", _say_since_when, priority=600)  # after it
    app.connect("autodoc-process-signature", _sign)
    app.connect("env-updated", _list_under_every_public_name)
    app.connect("missing-reference", _text_of_what_has_no_page)
    return {"parallel_read_safe": True}
