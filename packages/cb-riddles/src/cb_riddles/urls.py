"""The addresses: index, detail and answer as in the book, and what came since."""

from __future__ import annotations

from django.urls import URLPattern, path

from cb_riddles import api, views

app_name = "riddles"
urlpatterns: list[URLPattern] = [
    path("", views.index, name="index"),
    path("<int:riddle_id>/", views.detail, name="detail"),
    path("<int:riddle_id>/answer/", views.answer, name="answer"),
    path("today/", views.today, name="today"),
    path("me/", views.me, name="me"),
    path("leaders/", views.leaders, name="leaders"),
    path("api/openapi.json", api.openapi, name="openapi"),
    path("api/riddles/", api.index, name="api-index"),
    path("api/riddles/<int:riddle_id>/", api.detail, name="api-detail"),
    path("api/riddles/<int:riddle_id>/answer/", api.answer, name="api-answer"),
]
