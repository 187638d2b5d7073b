from django.db import migrations, models

import jobs.models.names


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0004_operations'),
    ]

    operations = [
        migrations.CreateModel(
            name='ErrorRollup',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('resolution', models.IntegerField(choices=[(0, 'all time'), (1, 'minute of one writer'), (60, 'minute'), (600, 'ten minutes'), (3600, 'hour'), (86400, 'day')])),
                ('period', models.DateTimeField(verbose_name='begin')),
                ('fingerprint', jobs.models.names.NameField(max_length=24)),
                ('shard', models.BigIntegerField(default=0)),
                ('job_class', jobs.models.names.NameField(max_length=200, verbose_name='class')),
                ('error_type', models.CharField(blank=True, max_length=200, verbose_name='error')),
                ('message', models.CharField(blank=True, max_length=200, verbose_name='error message')),
                ('failures', models.BigIntegerField(default=0, verbose_name='failed attempts')),
                ('first_at', models.DateTimeField(verbose_name='first seen')),
                ('last_at', models.DateTimeField(verbose_name='last seen')),
                ('last_job', models.BigIntegerField()),
            ],
            options={
                'verbose_name': 'errors',
                'verbose_name_plural': 'errors',
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('resolution', 'period', 'fingerprint', 'shard'), name='jobs_error_key')],
            },
        ),
        migrations.AlterField(
            model_name='rollup',
            name='resolution',
            field=models.IntegerField(choices=[(0, 'all time'), (1, 'minute of one writer'), (60, 'minute'), (600, 'ten minutes'), (3600, 'hour'), (86400, 'day')]),
        ),
        migrations.AddIndex(
            model_name='rollup',
            index=models.Index(fields=['job_class', 'resolution', 'period'], name='jobs_rollup_class'),
        ),
    ]
