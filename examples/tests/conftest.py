"""Whoever starts the tests in the background has Ctrl-C ignored, and so would all that they start."""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
