"""Objects of one class as JSON: what is written reads back the same, or is rejected."""

from dddkit.messages._json.codec import JsonCodec
from dddkit.messages._json.mismatch import JsonMismatchError

__all__ = ["JsonCodec", "JsonMismatchError"]
