from .order import Order, Orders
from .stories import *

__all__ = ["Add", "Order", "Orders", "Pay"]
