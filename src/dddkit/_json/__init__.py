"""Objects of one class as JSON: what is written reads back the same, or is rejected."""

from dddkit._json.codec import JsonCodec
from dddkit._json.mismatch import JsonMismatchError, NoJsonError

__all__ = ["JsonCodec", "JsonMismatchError", "NoJsonError"]
