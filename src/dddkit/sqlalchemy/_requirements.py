"""What this package needs beside the kit; imported before everything else in it."""

from __future__ import annotations

from dddkit._requirements import require

require("sqlalchemy", "pydantic", extra="sqlalchemy")
