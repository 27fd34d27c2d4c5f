"""What came since the book: hints, explanations, categories, attempts, and an index for the list."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    """Category, Attempt, and more of Riddle."""

    dependencies: ClassVar[list[tuple[str, str]]] = [
        ("riddles", "0001_initial"),
    ]

    operations: ClassVar[list[Operation]] = [
        migrations.CreateModel(
            name="Category",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, unique=True, verbose_name="name")),
                ("slug", models.SlugField(max_length=100, unique=True, verbose_name="slug")),
            ],
            options={
                "verbose_name": "category",
                "verbose_name_plural": "categories",
                "ordering": ["name"],
            },
        ),
        migrations.AlterModelOptions(
            name="option",
            options={"verbose_name": "option", "verbose_name_plural": "options"},
        ),
        migrations.AlterModelOptions(
            name="riddle",
            options={"verbose_name": "riddle", "verbose_name_plural": "riddles"},
        ),
        migrations.AddField(
            model_name="riddle",
            name="explanation",
            field=models.TextField(
                blank=True, default="", help_text="Shown after the answer.", verbose_name="explanation"
            ),
        ),
        migrations.AddField(
            model_name="riddle",
            name="hint",
            field=models.TextField(blank=True, default="", verbose_name="hint"),
        ),
        migrations.AlterField(
            model_name="option",
            name="correct",
            field=models.BooleanField(default=False, verbose_name="correct"),
        ),
        migrations.AlterField(
            model_name="option",
            name="riddle",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, to="riddles.riddle", verbose_name="riddle"
            ),
        ),
        migrations.AlterField(
            model_name="option",
            name="text",
            field=models.CharField(max_length=255, verbose_name="text"),
        ),
        migrations.AlterField(
            model_name="riddle",
            name="pub_date",
            field=models.DateTimeField(default=django.utils.timezone.now, verbose_name="date published"),
        ),
        migrations.AlterField(
            model_name="riddle",
            name="riddle_text",
            field=models.CharField(max_length=255, verbose_name="riddle"),
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("player", models.CharField(max_length=64, verbose_name="player")),
                ("correct", models.BooleanField(verbose_name="correct")),
                ("scored", models.BooleanField(default=False, verbose_name="scored")),
                ("created", models.DateTimeField(default=django.utils.timezone.now, verbose_name="given")),
                (
                    "riddle",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="riddles.riddle", verbose_name="riddle"
                    ),
                ),
            ],
            options={
                "verbose_name": "attempt",
                "verbose_name_plural": "attempts",
            },
        ),
        migrations.AddField(
            model_name="riddle",
            name="category",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                to="riddles.category",
                verbose_name="category",
            ),
        ),
        migrations.AddIndex(
            model_name="riddle",
            index=models.Index(fields=["-pub_date", "-id"], name="riddles_newest"),
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(fields=["player", "created"], name="riddles_player"),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(
                condition=models.Q(("scored", True)), fields=("player", "riddle"), name="riddles_scored_once"
            ),
        ),
    ]
