"""The book's app with the fewest changes that make it run on today's Django, and a "hello" beside it as the limit.

Settings and addresses are in this one module. BOOK_TUNED=1 gives it the database settings that cb-riddles has.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application

TUNED = {
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    },
    "CONN_MAX_AGE": None,
}
FOLDER = Path(os.environ["BENCH_DATA"])
TEMPLATES = {
    "index.html": """<h1>Available Riddles</h1>
{% if message %}<strong>{{ message }}</strong>{% endif %}
{% if latest_riddles %}<ul>{% for riddle in latest_riddles %}
<li><a href="{% url 'riddles:detail' riddle.id %}">{{ riddle.riddle_text }}</a></li>
{% endfor %}</ul>{% else %}No riddles are available right now.{% endif %}""",
    "answer.html": """<h1>{{ riddle.riddle_text }}</h1>
{% if error_message %}<strong>{{ error_message }}</strong>{% endif %}
<form action="{% url 'riddles:answer' riddle.id %}" method="post">{% csrf_token %}
{% for option in riddle.option_set.all %}
<input type="radio" name="option" id="option{{ forloop.counter }}" value="{{ option.id }}" />
<label for="option{{ forloop.counter }}">{{ option.text }}</label><br />
{% endfor %}<input type="submit" value="Answer" /></form>""",
}

settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": FOLDER / "riddles.sqlite3",
            **(TUNED if os.environ.get("BOOK_TUNED") else {}),
        }
    },
    INSTALLED_APPS=[
        "cb_riddles",  # for its tables alone, which are the book's
        "django.contrib.admin",
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
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [("django.template.loaders.locmem.Loader", TEMPLATES)],
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
sys.modules.setdefault("book", sys.modules[__name__])
django.setup()

from cb_riddles.models import Option, Riddle  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.shortcuts import get_object_or_404, render  # noqa: E402
from django.urls import include, path  # noqa: E402


def hello(request):
    return HttpResponse("Hello, World!")


def index(request):
    return render(request, "index.html", {"latest_riddles": Riddle.objects.order_by("-pub_date")[:5]})


def detail(request, riddle_id):
    return render(request, "answer.html", {"riddle": get_object_or_404(Riddle, pk=riddle_id)})


def answer(request, riddle_id):
    riddle = get_object_or_404(Riddle, pk=riddle_id)
    try:
        option = riddle.option_set.get(pk=request.POST["option"])
    except (KeyError, Option.DoesNotExist):
        return render(request, "answer.html", {"riddle": riddle, "error_message": "Option does not exist"})
    if option.correct:
        riddles = Riddle.objects.order_by("-pub_date")[:5]
        return render(request, "index.html", {"latest_riddles": riddles, "message": "Nice! Choose another one!"})
    return render(request, "answer.html", {"riddle": riddle, "error_message": "Wrong Answer!"})


riddles = (
    [
        path("", index, name="index"),
        path("<int:riddle_id>/", detail, name="detail"),
        path("<int:riddle_id>/answer/", answer, name="answer"),
    ],
    "riddles",
)
urlpatterns = [path("riddles/", include(riddles)), path("hello/", hello)]
application = get_wsgi_application()

if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(["book", "runserver", "--noreload", f"127.0.0.1:{sys.argv[1]}"])
