"""What a server says about when to come back."""

from __future__ import annotations

__all__ = ["retry_after"]


def retry_after(text: str) -> float | None:
    """Seconds, from either form of Retry-After (RFC 9110, 10.2.3); None for nonsense.

    >>> retry_after("120"), retry_after("Thu, 01 Jan 1970 00:00:00 GMT"), retry_after("soon")
    (120.0, 0.0, None)
    """
    if text.isascii() and text.strip().isdecimal():
        return float(text)
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())
