import django.db.models.deletion
import jobs.models.indexes
import jobs.models.names
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0003_samples_and_lines'),
    ]

    operations = [
        migrations.CreateModel(
            name='Operation',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('kind', jobs.models.names.NameField(choices=[('retry', 'Retry'), ('cancel', 'Cancel')], max_length=10, verbose_name='action')),
                ('selection', models.JSONField(verbose_name='filter')),
                ('asked_at', models.DateTimeField(verbose_name='asked')),
                ('last_job', models.BigIntegerField()),
                ('next_job', models.BigIntegerField(default=0)),
                ('estimated', models.PositiveIntegerField(verbose_name='estimated')),
                ('estimate_capped', models.BooleanField(default=False)),
                ('done', models.PositiveIntegerField(default=0, verbose_name='done')),
                ('skipped', models.JSONField(default=dict, verbose_name='skipped')),
                ('skipped_jobs', models.JSONField(default=list)),
                ('status', jobs.models.names.NameField(choices=[('waiting', 'Waiting'), ('running', 'Running'), ('completed', 'Completed'), ('stopped', 'Stopped'), ('failed', 'Failed')], default='waiting', max_length=10, verbose_name='status')),
                ('error', models.CharField(blank=True, max_length=200, verbose_name='error')),
                ('actor_id', models.CharField(blank=True, max_length=64)),
                ('actor_name', models.CharField(blank=True, max_length=254, verbose_name='by')),
                ('stop_requested_at', models.DateTimeField(null=True, verbose_name='stop requested')),
                ('stopped_by', models.CharField(blank=True, max_length=254, verbose_name='stopped by')),
                ('started_at', models.DateTimeField(null=True, verbose_name='started')),
                ('finished_at', models.DateTimeField(null=True, verbose_name='finished')),
            ],
            options={
                'verbose_name': 'operation',
                'verbose_name_plural': 'operations',
                'ordering': ['-id'],
                'default_permissions': ('view',),
                'indexes': [jobs.models.indexes.PartialIndex(condition=models.Q(('finished_at__isnull', True)), fields=['id'], name='jobs_operation_open')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('status__in', ['running', 'waiting'])), models.Q(models.Q(('status__in', ['running', 'waiting']), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='jobs_operation_finished_at')],
            },
        ),
        migrations.AddField(
            model_name='auditentry',
            name='operation',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='audit', to='jobs.operation', verbose_name='operation'),
        ),
    ]
