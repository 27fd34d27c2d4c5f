"""Import every module of an installed package: ``python -I house/import_all.py cb_x``.

A module that wants what only an extra brings may say so. One that wants another package of this repository fails.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys

package = importlib.import_module(sys.argv[1])
# Models can be imported only where Django is set up: a package that brings a site is imported with its settings.
if importlib.util.find_spec(site := f"{package.__name__}.site"):
    os.environ["DJANGO_SETTINGS_MODULE"] = f"{site}.settings"
    importlib.import_module("django").setup()
for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=lambda _: None):
    if not module.name.endswith(".__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if str(error.name).startswith("cb_"):
                raise
            print(f"{module.name} wants {error.name}, which comes with an extra")
