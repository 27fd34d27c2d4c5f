"""Publish riddles in one command, or drop the app into any Django site; no page tells an answer before it is given.

What stands here needs no database: the rules of the game. The app is ``"cb_riddles"`` in INSTALLED_APPS and
``include("cb_riddles.urls")``; its models are in :mod:`cb_riddles.models`.
"""

from __future__ import annotations

from cb_riddles.play import Choice, faults, grade, option_key, option_order, share, streak

__version__ = "0.1.0"
__all__ = ["Choice", "__version__", "faults", "grade", "option_key", "option_order", "share", "streak"]
