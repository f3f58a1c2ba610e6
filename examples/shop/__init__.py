"""A small shop: baskets, stock, orders, and the checkout that turns a basket into an order.

Run it with `python -m examples.shop`.
"""
