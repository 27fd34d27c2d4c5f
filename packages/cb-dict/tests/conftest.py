"""The tests' own modules are found beside them; hypothesis has no deadline, since the suite shares its cores."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

# A suite that runs in the background ignores Ctrl-C, and what it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

collect_ignore: list[str] = ["kill_worker.py"]  # a program: its arguments are not pytest's
