"""``validated(types=True)``.

Without postponed annotations: these functions live in a module whose name, given by pytest, is no identifier.
"""

import pytest
from cb_decorators import ValidationError, validated


def test_types_are_checked_by_beartype() -> None:
    """Arguments and result, as a ValidationError; the innermost function's own refusal is not taken for the outer's."""

    @validated(types=True)
    def double(x: int) -> int:
        return x * 2 if x else "none"  # type: ignore[return-value]

    assert double(2) == 4
    with pytest.raises(ValidationError, match=r"double\(\) parameter x='a' violates type hint"):
        double("a")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="return 'none' violates type hint"):
        double(0)

    @validated(types=True, if_invalid="refused")
    def outer(x: int) -> int:
        return double("a") if x else 1  # type: ignore[arg-type]

    assert (outer("a"), outer(0)) == ("refused", 1)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="double"):
        outer(1)
