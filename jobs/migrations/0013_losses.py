from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0012_audit_of_an_operation")]

    operations = [
        # Without a default no database writes its rows anew for it.
        migrations.AddField(
            model_name="job",
            name="losses",
            field=models.PositiveSmallIntegerField(null=True, verbose_name="losses"),
        ),
    ]
