"""Names that `typing` has from 3.11 on.

Only older Pythons import `typing_extensions` for them, which takes 15 to 20 ms.
"""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from typing import Self, dataclass_transform
else:
    from typing_extensions import Self, dataclass_transform

__all__ = ["Self", "dataclass_transform"]
