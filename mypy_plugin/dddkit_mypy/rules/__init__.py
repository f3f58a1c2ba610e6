"""One module per rule; `_index.py` lists them."""
