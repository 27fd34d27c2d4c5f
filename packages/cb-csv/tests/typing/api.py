"""The public API, type-checked from outside."""

import cb_csv

version: str = cb_csv.__version__
