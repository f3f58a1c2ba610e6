# Why this is here: a package whose __init__.pyi is ours has no other modules for a checker than those beside it.

class Histogram:
    buckets: dict[float, int]
    observations: int
    sum: float
    def __init__(self, *buckets: float) -> None: ...
    def observe(self, value: float) -> None: ...
