"""Pictures of stories and aggregates, made of what one run of mypy has found."""

from dddkit.cli._drawing.analysis import analysed, module_of
from dddkit.cli._drawing.chart import Pictures
from dddkit.cli._drawing.mermaid import is_too_large

__all__ = ["Pictures", "analysed", "is_too_large", "module_of"]
