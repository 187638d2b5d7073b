import jobs.models.names
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0013_losses")]

    operations = [
        migrations.CreateModel(
            name="CodeVersion",
            fields=[
                (
                    "name",
                    jobs.models.names.NameField(
                        max_length=100, primary_key=True, serialize=False, verbose_name="version"
                    ),
                ),
                ("first_started_at", models.DateTimeField(verbose_name="first started")),
            ],
            options={
                "verbose_name": "version of the code",
                "verbose_name_plural": "versions of the code",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["first_started_at"], name="jobs_version_started")
                ],
            },
        ),
    ]
