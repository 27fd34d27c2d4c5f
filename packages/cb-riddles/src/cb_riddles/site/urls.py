"""Where the site has what: the riddles, the admin, and an answer for a load balancer."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView


def healthy(request: HttpRequest) -> HttpResponse:
    """Say that requests are answered."""
    del request
    return HttpResponse("ok", content_type="text/plain")


def favicon(request: HttpRequest) -> HttpResponse:
    """Lead to the icon, for browsers that ask for it by its old name."""
    del request
    return redirect(static("riddles/icon.svg"))


urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="riddles:index")),
    path("riddles/", include("cb_riddles.urls")),
    path("admin/", admin.site.urls),
    path("healthz/", healthy),
    path("favicon.ico", favicon),
]
