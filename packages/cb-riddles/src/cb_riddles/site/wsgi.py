"""What a server loads: ``application`` where it speaks WSGI, ``site`` where it is granian."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application

from cb_riddles.site.rsgi import Site

if TYPE_CHECKING:
    from django.core.handlers.wsgi import WSGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cb_riddles.site.settings")
application: WSGIHandler = get_wsgi_application()
site: Site = Site(application)
