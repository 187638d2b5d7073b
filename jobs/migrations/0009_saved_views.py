import jobs.models.names
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0008_origin'),
    ]

    operations = [
        migrations.CreateModel(
            name='SavedView',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('owner_id', models.CharField(max_length=64)),
                ('owner_name', models.CharField(blank=True, max_length=254, verbose_name='of')),
                ('name', jobs.models.names.NameField(max_length=50, verbose_name='name')),
                ('query', models.TextField(verbose_name='filter')),
            ],
            options={
                'verbose_name': 'saved view',
                'verbose_name_plural': 'saved views',
                'ordering': ['name'],
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('owner_id', 'name'), name='jobs_savedview_name')],
            },
        ),
    ]
