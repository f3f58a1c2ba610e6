from typing import Annotated, NewType

__all__ = ["OrderId", "SkuText"]

OrderId = NewType("OrderId", int)
SkuText = Annotated[str, "sku"]
