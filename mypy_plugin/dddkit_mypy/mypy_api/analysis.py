"""A class that mypy is analysing: work on it after analysis, and reports from there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Final

from mypy.errorcodes import ErrorCode
from mypy.nodes import Context, MypyFile, TypeInfo
from mypy.options import Options
from mypy.plugin import ClassDefContext
from mypy.scope import SavedScope
from mypy.semanal import SemanticAnalyzer

from dddkit_mypy._record import Record


class AnalysisScope(Record):
    """A class under analysis and the scope of the analyzer there, for work that runs later."""

    info: TypeInfo
    analyzer: SemanticAnalyzer
    tree: MypyFile
    options: Options
    """The options of the module."""
    saved: SavedScope
    target: str
    """The function or module that the daemon analyses again when something changes."""
    is_for_daemon: bool
    """Whether the daemon may use the results of this run."""

    def fail(self, msg: str, ctx: Context, /, *, code: ErrorCode | None = None) -> None:
        """Report a message after the class has been analysed."""
        scope, (_, owner, function) = self.analyzer.scope, self.saved
        with (
            self.analyzer.file_context(self.tree, self.options),
            # The daemon identifies messages by their scope: it removes those of a scope that it analyses again.
            scope.class_scope(owner) if owner is not None else nullcontext(),
            scope.function_scope(function) if function is not None else nullcontext(),
        ):
            self.analyzer.fail(msg, ctx, code=code)

    @property
    def is_for_diagnostics(self) -> bool:
        """Whether this run produces only diagnostics: no daemon, and no reports on the tree."""
        options = self.options
        return not (self.is_for_daemon or options.report_dirs or options.export_types or options.export_ref_info)


def is_for_daemon(options: Options) -> bool:
    """Whether the daemon may use the results of a run with these options."""
    return options.fine_grained_incremental or options.cache_fine_grained


def analysis_scope_of(ctx: ClassDefContext) -> AnalysisScope:
    """Return the scope of mypy's analyzer, in a hook on a class under analysis."""
    analyzer = ctx.api
    assert isinstance(analyzer, SemanticAnalyzer)
    return AnalysisScope(
        ctx.cls.info,
        analyzer,
        analyzer.cur_mod_node,
        analyzer.options,
        analyzer.scope.save(),
        analyzer.scope.current_target(),
        is_for_daemon(analyzer.options),
    )


def run_when_analysed(scope: AnalysisScope, order: int, function: Callable[[AnalysisScope], None]) -> None:
    """Call a function after mypy has analysed everything that the class refers to, and before it checks anything.

    Functions of a lower `order` run first, for all classes under analysis.
    """
    scope.analyzer.schedule_patch(_PRIORITY + order, partial(function, scope))


_PRIORITY: Final = 100  # after mypy's own patches, which complete tuple types
