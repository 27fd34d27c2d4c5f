"""What holds for the tests of all packages: in which order they begin."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)  # when they have been shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that take long begin first, so that in the end no core waits for one of them."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
