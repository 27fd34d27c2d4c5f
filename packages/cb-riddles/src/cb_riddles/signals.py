"""What other apps may listen to."""

from __future__ import annotations

from django.dispatch import Signal

riddle_answered: Signal = Signal()
"""Sent after an answer was graded and kept, with ``riddle_id``, ``player``, ``correct`` and ``scored``."""
