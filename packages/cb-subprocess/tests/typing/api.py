"""The public API, type-checked from outside."""

import cb_subprocess

version: str = cb_subprocess.__version__
