from django.apps import AppConfig


class JobsystemConfig(AppConfig):
    name = "jobsystem"
    verbose_name = "Reference project"
    default_auto_field = "django.db.models.BigAutoField"
