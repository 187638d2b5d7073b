"""A command of the name that Channels uses, too."""

from django.core.management import BaseCommand


class Command(BaseCommand):
    pass
