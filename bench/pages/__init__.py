"""Asks every page of the dashboard over a database of many finished jobs."""
