"""The public API, type-checked from outside."""

import cb_decorators

version: str = cb_decorators.__version__
