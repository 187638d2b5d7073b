"""The dashboard, for `include("jobs.urls")` at any prefix."""

from .web.urls import app_name, urlpatterns

__all__ = ["app_name", "urlpatterns"]
