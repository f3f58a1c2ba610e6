"""An import contract about single modules of an external package, which import-linter sees as one module."""

from __future__ import annotations

import re
from typing import Final

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

_STATEMENT: Final = re.compile(r"\s*(?:from (?P<module>[\w.]+) import (?P<names>.*)|import (?P<modules>.*))")


class ExternalModulesContract(Contract):
    """Only `exempt_package` imports more of `external_package` than `allowed_modules`."""

    importing_package = fields.StringField()
    exempt_package = fields.StringField()
    external_package = fields.StringField()
    allowed_modules = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Return the imports of other modules than the allowed ones."""
        options = self.contract_options
        package, exempt = options["importing_package"], options["exempt_package"]
        found = [
            f"{importer}, line {detail['line_number']}: {detail['line_contents'].strip()}"
            for importer in sorted(graph.find_modules_that_directly_import(options["external_package"]))
            if _is_in(importer, package) and not _is_in(importer, exempt)
            for detail in graph.get_import_details(importer=importer, imported=options["external_package"])
            if not _imported(detail["line_contents"], options["external_package"]) <= set(options["allowed_modules"])
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print the imports that break the contract."""
        for line in check.metadata["found"]:
            output.print_error(line)


def _is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _imported(line: str, package: str) -> set[str]:
    """Return the modules that a line imports."""
    found = _STATEMENT.match(line)
    assert found is not None, line
    if found["modules"] is not None:
        return {part.split()[0] for part in found["modules"].split(",")}
    if found["module"] == package:
        return {f"{package}.{part.split()[0]}" for part in found["names"].strip("() ").split(",") if part.strip()}
    return {found["module"]}
