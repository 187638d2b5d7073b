from django.contrib import admin
from django.urls import include, path

handler404 = "jobs.web.responses.not_found"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("jobs.urls")),
]
