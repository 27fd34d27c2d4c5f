"""The public API, type-checked from outside."""

from typing import Any, assert_type

import cb_dict as cd

document: dict[str, Any] = {"a": [1]}
where: cd.Path = cd.path("a[0]")
assert_type(cd.has(document, where), bool)
assert_type(cd.length(document), int)
assert_type(cd.flatten(document), dict[str, Any])
assert_type(cd.diff(document, {}), list[cd.Op])
assert_type(cd.add(document, {"n": 1}, minimum={"n": 0}), dict[str, Any])
cd.set_(document, ("a", 0), 2, create=False)
cd.merge(document, {}, lists=lambda left, right: [*left, *right], conflict="left")
numbers: list[int] = list(map(cd.getter("n"), [{"n": 1}]))
with cd.edit("app.yaml", format="yaml") as app:
    app.set("a", 1)
    app.delete("b", missing_ok=True)
    assert_type(app, cd.Document)
try:
    cd.get(document, "x")
except cd.PathError as error:
    assert_type(error.nearest, str | None)
