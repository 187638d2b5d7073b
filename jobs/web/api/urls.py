from __future__ import annotations

from django.urls import path

from . import metrics, views

urlpatterns = [
    path("metrics", metrics.show_metrics, name="metrics"),
    path("api/jobs/", views.list_jobs, name="api_jobs"),
    path("api/jobs/<int:job_id>/", views.show_job, name="api_job"),
    path("api/jobs/<int:job_id>/retry/", views.retry, name="api_retry"),
    path("api/jobs/<int:job_id>/cancel/", views.cancel, name="api_cancel"),
    path("api/jobs/<int:job_id>/attempts/", views.list_attempts, name="api_attempts"),
    path("api/jobs/<int:job_id>/attempts/<int:number>/", views.show_attempt, name="api_attempt"),
    path("api/stats/", views.show_statistics, name="api_statistics"),
    path("api/errors/", views.show_errors, name="api_errors"),
    path("api/<path:rest>", views.unknown, name="api_unknown"),
]
