"""The public API, type-checked from outside."""
