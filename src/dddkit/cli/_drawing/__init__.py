"""Pictures of stories and aggregates, made of what one run of mypy has found."""

from dddkit.cli._drawing.analysis import analysed, module_of
from dddkit.cli._drawing.chart import picture_of

__all__ = ["analysed", "module_of", "picture_of"]
