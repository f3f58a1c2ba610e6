"""Which story a SimpleNamespace State belongs to."""

from __future__ import annotations

from collections.abc import Iterable

from mypy.nodes import MypyFile, TypeInfo

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.stories.declaration import is_story
from dddkit_mypy.stories.reading import StoryReading
from dddkit_mypy.stories.state import class_of_state


def store_namespace(story: StoryReading, scope: mypy_api.AnalysisScope) -> str | None:
    """Store on the SimpleNamespace that a story declares as its State which story that is.

    The cached form of a class from another module cannot be changed; the full name of such a class is returned.
    """
    info = story.info
    state = class_of_state(info, story.state) if "State" in info.names else None
    if state is None or state.fullname == names.SIMPLE_NAMESPACE or not state.has_base(names.SIMPLE_NAMESPACE):
        return None
    if state.module_name != info.module_name:
        return state.fullname
    mypy_api.update_metadata(state, {"state of": info.name})
    if scope.is_for_daemon:
        mypy_api.set_private_text(scope.analyzer, state, mypy_api.METADATA, info.name)
    return None


def story_of_namespace(info: TypeInfo, visible: Iterable[MypyFile], dependencies: mypy_api.Dependencies) -> str | None:
    """Return the name of the story whose State is a SimpleNamespace, or a base of it; None where none is visible."""
    bases = [base for base in info.mro if base.has_base(names.SIMPLE_NAMESPACE)]
    dependencies.add_metadata(bases)
    for base in bases:
        story: str | None = mypy_api.metadata_of(base).get("state of")
        if story is not None:
            return story
    wanted = {base.fullname for base in bases}
    for module in visible:
        classes = [symbol.node for symbol in module.names.values() if isinstance(symbol.node, TypeInfo)]
        stories = [found for found in classes if is_story(found)]
        dependencies.add_metadata(stories)
        dependencies.add_names_in(module)
        dependencies.add_modules_of(stories)
        users = [found.name for found in stories if mypy_api.metadata_of(found).get("namespace") in wanted]
        if users:
            return min(users)  # mypy's cache sorts names
    return None
