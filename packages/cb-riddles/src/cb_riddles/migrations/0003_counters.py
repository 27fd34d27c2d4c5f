"""What the database keeps by itself, so that no page counts: scores, tallies and the revision."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    """Revision, Tally and Score; their triggers are set after each migrate."""

    dependencies: ClassVar[list[tuple[str, str]]] = [
        ("riddles", "0002_features"),
    ]

    operations: ClassVar[list[Operation]] = [
        migrations.CreateModel(
            name="Revision",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("token", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "riddle",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="riddles.riddle",
                    ),
                ),
                ("answers", models.IntegerField()),
                ("correct", models.IntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Score",
            fields=[
                ("player", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("solved", models.IntegerField()),
            ],
            options={
                "indexes": [models.Index(fields=["-solved", "player"], name="riddles_leaders")],
            },
        ),
    ]
