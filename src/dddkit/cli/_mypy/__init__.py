"""mypy with our plugin, in this process."""

from dddkit.cli._mypy.build import Report, build
from dddkit.cli._mypy.project import CACHE, Plan, Project, open_project, require_mypy

__all__ = ["CACHE", "Plan", "Project", "Report", "build", "open_project", "require_mypy"]
