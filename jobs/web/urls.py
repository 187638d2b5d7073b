from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path, reverse_lazy

from . import actions, detail, queues, rerun, views, workers
from .access import Login, standalone

app_name = "jobs"

urlpatterns = [
    path("", views.list_jobs, name="list"),
    path("jobs/<int:job_id>/", detail.show_job, name="job"),
    path("jobs/<int:job_id>/retry/", actions.retry, name="retry"),
    path("jobs/<int:job_id>/cancel/", actions.cancel, name="cancel"),
    path("jobs/<int:job_id>/retry-at/", rerun.retry_at, name="retry_at"),
    path("jobs/<int:job_id>/again/", rerun.run_again, name="run_again"),
    path("jobs/<int:job_id>/edit/", rerun.edit_copy, name="edit"),
    path("jobs/<int:job_id>/edit/run/", rerun.run_copy, name="run_copy"),
    path("jobs/<int:job_id>/attempts/<int:number>/", views.show_attempt, name="attempt"),
    path("jobs/<int:job_id>/attempts/<int:number>/output/", views.download, name="output"),
    path("view/logs", views.show_logs, name="logs"),
    path("view/logs/", views.show_logs),
    path("queues/", queues.show_queues, name="queues"),
    path("queues/pause/", queues.pause, name="pause"),
    path("queues/resume/", queues.resume, name="resume"),
    path("workers/", workers.show_workers, name="workers"),
    path("workers/<uuid:worker_id>/drain/", workers.drain, name="drain"),
    path("workers/<uuid:worker_id>/forget/", workers.forget, name="forget"),
    path("login/", standalone(Login.as_view()), name="login"),
    path(
        "logout/",
        standalone(LogoutView.as_view(next_page=reverse_lazy("jobs:login"))),
        name="logout",
    ),
]
