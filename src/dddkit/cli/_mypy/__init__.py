"""mypy with our plugin, in this process."""

from dddkit.cli._mypy.build import Report, build
from dddkit.cli._mypy.project import CACHE, Plan, Project, open_project, require_mypy
from dddkit.cli._mypy.sources import keep_trees, sources_for

__all__ = ["CACHE", "Plan", "Project", "Report", "build", "keep_trees", "open_project", "require_mypy", "sources_for"]
