from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import include, path, reverse_lazy

from . import (
    actions,
    alllogs,
    attempts,
    bulk,
    detail,
    export,
    history,
    listing,
    probes,
    queues,
    reports,
    rerun,
    saved_views,
    workers,
)
from .access import Login, standalone
from .api.urls import urlpatterns as for_programs

app_name = "jobs"

urlpatterns = [
    path("", listing.list_jobs, name="list"),
    path("counts/", listing.count_jobs, name="counts"),
    path("export/<str:kind>/", export.export, name="export"),
    path("views/save/", saved_views.save, name="save_view"),
    path("views/delete/", saved_views.delete, name="delete_view"),
    path("jobs/retry/", bulk.confirm_retry, name="confirm_retry"),
    path("jobs/retry/run/", bulk.bulk_retry, name="bulk_retry"),
    path("jobs/cancel/", bulk.confirm_cancel, name="confirm_cancel"),
    path("jobs/cancel/run/", bulk.bulk_cancel, name="bulk_cancel"),
    path("operations/", history.list_operations, name="operations"),
    path("operations/<int:operation_id>/", history.show_operation, name="operation"),
    path("operations/<int:operation_id>/stop/", history.stop_operation, name="stop_operation"),
    path("audit/", history.show_audit, name="audit"),
    path("audit/export/<str:kind>/", export.export_audit, name="export_audit"),
    path("jobs/<int:job_id>/", detail.show_job, name="job"),
    path("jobs/<int:job_id>/retry/", actions.retry, name="retry"),
    path("jobs/<int:job_id>/cancel/", actions.cancel, name="cancel"),
    path("jobs/<int:job_id>/retry-at/", rerun.retry_at, name="retry_at"),
    path("jobs/<int:job_id>/again/", rerun.run_again, name="run_again"),
    path("jobs/<int:job_id>/edit/", rerun.edit_copy, name="edit"),
    path("jobs/<int:job_id>/edit/run/", rerun.run_copy, name="run_copy"),
    path("jobs/<int:job_id>/attempts/<int:number>/", attempts.show_attempt, name="attempt"),
    path("jobs/<int:job_id>/attempts/<int:number>/output/", attempts.download, name="output"),
    path("jobs/<int:job_id>/attempts/<int:number>/dump/", attempts.dump, name="dump"),
    path("attempts/compare/", attempts.compare, name="compare"),
    path("view/logs", alllogs.show_logs, name="logs"),
    path("view/logs/", alllogs.show_logs),
    path("queues/", queues.show_queues, name="queues"),
    path("queues/pause/", queues.pause, name="pause"),
    path("queues/resume/", queues.resume, name="resume"),
    path("workers/", workers.show_workers, name="workers"),
    path("workers/<uuid:worker_id>/drain/", workers.drain, name="drain"),
    path("workers/<uuid:worker_id>/forget/", workers.forget, name="forget"),
    path("stats/", reports.show_stats, name="statistics"),
    path("errors/", reports.show_errors, name="errors"),
    path("health/live", probes.live, name="live"),
    path("health/ready", probes.ready, name="ready"),
    path("", include(for_programs)),
    path("login/", standalone(Login.as_view()), name="login"),
    path(
        "logout/",
        standalone(LogoutView.as_view(next_page=reverse_lazy("jobs:login"))),
        name="logout",
    ),
]
