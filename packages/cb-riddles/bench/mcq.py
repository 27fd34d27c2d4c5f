"""django-mcq with the least that it wants of a host: settings, a base template, and somebody who is logged in.

``python mcq.py fill 1000`` makes quizzes of one question and prints the cookie of a session.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application

BASE = "<!DOCTYPE html><title>Quiz</title>{% block content %}{% endblock %}"
settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(os.environ["BENCH_DATA"]) / "mcq.sqlite3",
            "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"},
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=[
        "quiz",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    ("django.template.loaders.locmem.Loader", {"quiz_base.html": BASE}),
                    "django.template.loaders.app_directories.Loader",
                ],
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ],
            },
        }
    ],
    STATIC_URL="static/",
)
sys.modules.setdefault("mcq", sys.modules[__name__])
django.setup()

from django.urls import include, path  # noqa: E402

urlpatterns = [path("quiz/", include("quiz.urls"))]
application = get_wsgi_application()


def fill(count: int) -> None:
    from django.contrib.auth import get_user_model
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command
    from quiz.models import Answer, Question, Quiz, Subject

    call_command("migrate", verbosity=0)
    subject = Subject.objects.create(name="Riddles")
    quizzes = Quiz.objects.bulk_create(Quiz(name=f"Riddle number {n}?", subject=subject) for n in range(count))
    questions = Question.objects.bulk_create(Question(quiz=quiz, text=quiz.name) for quiz in quizzes)
    Answer.objects.bulk_create(
        Answer(question=question, text=f"Option {k}", is_correct=k == 2) for question in questions for k in range(4)
    )
    user = get_user_model().objects.create_user("ada")
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session.create()
    print(f"sessionid={session.session_key}")


if __name__ == "__main__":
    fill(int(sys.argv[2]))
