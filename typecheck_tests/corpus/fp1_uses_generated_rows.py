from fp1_generated_rows import Rows, Shelf, ShelfRows


class LoudRows(ShelfRows):
    """A child in a module; what its parent sets and handles is in the module that the stub stands for."""

    def total(self, rows: Rows) -> int:
        return len(rows.filled) + rows.cleared


shelf = Shelf(shelf_id=1)
shelf.add_event(Shelf.Filled(sku="a"))
shelf.add_event(Shelf.Cleared())
handler = LoudRows()
with handler as changes_of:
    rows = changes_of(shelf)
assert rows == Rows(["a"], 1)
assert handler.total(rows) == 2
