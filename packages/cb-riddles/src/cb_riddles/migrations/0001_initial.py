"""The book's models, field by field: whoever followed the book has this applied already."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    """Riddle and Option."""

    initial: ClassVar[bool] = True
    dependencies: ClassVar[list[tuple[str, str]]] = []
    operations: ClassVar[list[Operation]] = [
        migrations.CreateModel(
            name="Riddle",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("riddle_text", models.CharField(max_length=255)),
                ("pub_date", models.DateTimeField(verbose_name="date published")),
            ],
        ),
        migrations.CreateModel(
            name="Option",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.CharField(max_length=255)),
                ("correct", models.BooleanField(default=False)),
                (
                    "riddle",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="riddles.riddle"),
                ),
            ],
        ),
    ]
