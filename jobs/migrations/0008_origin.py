import jobs.models.indexes
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0007_tags'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='origin',
            field=models.JSONField(null=True, verbose_name='origin'),
        ),
        migrations.AddField(
            model_name='job',
            name='parent_id',
            field=models.BigIntegerField(null=True, verbose_name='dispatched by job'),
        ),
        migrations.AddIndex(
            model_name='job',
            index=jobs.models.indexes.PartialIndex(condition=models.Q(('parent_id__isnull', False)), fields=['parent_id', '-id'], name='jobs_job_parent'),
        ),
    ]
