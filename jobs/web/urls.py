from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path, reverse_lazy

from . import actions, views
from .access import Login, standalone

app_name = "jobs"

urlpatterns = [
    path("", views.list_jobs, name="list"),
    path("jobs/<int:job_id>/", views.show_job, name="job"),
    path("jobs/<int:job_id>/retry/", actions.retry, name="retry"),
    path("jobs/<int:job_id>/cancel/", actions.cancel, name="cancel"),
    path("jobs/<int:job_id>/attempts/<int:number>/", views.show_attempt, name="attempt"),
    path("jobs/<int:job_id>/attempts/<int:number>/output/", views.download, name="output"),
    path("view/logs", views.show_logs, name="logs"),
    path("view/logs/", views.show_logs),
    path("login/", standalone(Login.as_view()), name="login"),
    path(
        "logout/",
        standalone(LogoutView.as_view(next_page=reverse_lazy("jobs:login"))),
        name="logout",
    ),
]
