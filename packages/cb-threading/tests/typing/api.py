"""The public API, type-checked from outside."""

import cb_threading

version: str = cb_threading.__version__
