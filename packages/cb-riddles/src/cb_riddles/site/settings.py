"""Settings of the site: secure unless told that it is plain HTTP on this machine.

The environment changes them:
CB_RIDDLES_DATA, CB_RIDDLES_SECRET_KEY, CB_RIDDLES_HOSTS (names, with commas), CB_RIDDLES_HTTP=1 (no TLS),
CB_RIDDLES_PROXY=1 (a proxy sets X-Forwarded-Proto), CB_RIDDLES_DURABLE=1 (SQLite waits for the disk at each answer),
CB_RIDDLES_DEBUG=1 (for who writes templates), DATABASE_URL, CACHE_URL (redis://...).
"""

from __future__ import annotations

import os
from typing import Any

from cb_riddles.site import data
from cb_riddles.site.database import from_url, sqlite

_FOLDER = data.folder()
_TLS = os.environ.get("CB_RIDDLES_HTTP") != "1"

if os.environ.get("CB_RIDDLES_DEBUG") == "1":  # serve --dev
    DEBUG: bool = True
SECRET_KEY: str = data.secret_key()
ALLOWED_HOSTS: list[str] = os.environ.get("CB_RIDDLES_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
CSRF_TRUSTED_ORIGINS: list[str] = [f"https://{host}" for host in ALLOWED_HOSTS if _TLS and host != "*"]
ROOT_URLCONF: str = "cb_riddles.site.urls"
WSGI_APPLICATION: str = "cb_riddles.site.wsgi.application"
DEFAULT_AUTO_FIELD: str = "django.db.models.BigAutoField"
INSTALLED_APPS: list[str] = [
    "cb_riddles",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]
MIDDLEWARE: list[str] = [
    "django.middleware.security.SecurityMiddleware",
    "cb_riddles.site.headers.policy",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "cb_riddles.middleware.kept_pages",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
_URL = os.environ.get("DATABASE_URL")
DATABASES: dict[str, dict[str, Any]] = {"default": from_url(_URL) if _URL else sqlite(_FOLDER / "riddles.sqlite3")}
if _CACHE := os.environ.get("CACHE_URL"):
    CACHES: dict[str, Any] = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": _CACHE}}
_VALIDATORS = ("UserAttributeSimilarity", "MinimumLength", "CommonPassword", "NumericPassword")
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"django.contrib.auth.password_validation.{name}Validator"} for name in _VALIDATORS
]
LANGUAGES: list[tuple[str, str]] = [("en", "English"), ("es", "Español")]
USE_TZ: bool = True

STATIC_URL: str = "static/"
STATIC_ROOT: str = str(_FOLDER / "static")
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

SESSION_COOKIE_SECURE: bool = _TLS
CSRF_COOKIE_SECURE: bool = _TLS
CSRF_COOKIE_HTTPONLY: bool = True
SECURE_SSL_REDIRECT: bool = _TLS
SECURE_HSTS_SECONDS: int = 31_536_000 if _TLS else 0
if os.environ.get("CB_RIDDLES_PROXY") == "1":
    SECURE_PROXY_SSL_HEADER: tuple[str, str] = ("HTTP_X_FORWARDED_PROTO", "https")
# Whether other names of the domain are served by TLS alone, and for good, only its owner knows.
SILENCED_SYSTEM_CHECKS: list[str] = ["security.W005", "security.W021"]
