"""A small shop: baskets, stock, orders, and the checkout that turns one into the other.

Run it with `python -m examples.shop`.
"""
