"""The public API, type-checked from outside."""

import cb_mail

version: str = cb_mail.__version__
