"""What `dddkit check` makes of a run of mypy: diagnostics, formats, baselines."""

from dddkit.cli._check.baseline import Baseline
from dddkit.cli._check.diagnostics import Diagnostic, diagnostics_of
from dddkit.cli._check.formats import FORMATS, Findings

__all__ = ["FORMATS", "Baseline", "Diagnostic", "Findings", "diagnostics_of"]
