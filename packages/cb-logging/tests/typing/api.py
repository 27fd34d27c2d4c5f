"""The public API, type-checked from outside."""

import cb_logging

version: str = cb_logging.__version__
