"""The limits of our servers in every measurement: all timers on; more connections allowed than any section opens."""

from __future__ import annotations

from cb_sockets import Limits

LIMITS = Limits(max_connections=50_000, idle_timeout=300, message_timeout=30, write_timeout=30)
