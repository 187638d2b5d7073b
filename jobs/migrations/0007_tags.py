import django.db.models.deletion
import jobs.models.names
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0006_pauses_and_drains'),
    ]

    operations = [
        migrations.CreateModel(
            name='Tag',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('job_number', models.BigIntegerField()),
                ('name', jobs.models.names.NameField(max_length=50, verbose_name='tag')),
                ('job', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='tag_rows', to='jobs.job', verbose_name='job')),
            ],
            options={
                'verbose_name': 'tag',
                'verbose_name_plural': 'tags',
                'ordering': ['id'],
                'default_permissions': (),
                'indexes': [models.Index(fields=['name', '-job_number', 'job'], name='jobs_tag_name')],
                'constraints': [models.UniqueConstraint(fields=('job', 'name'), name='jobs_tag_of_job')],
            },
        ),
    ]
