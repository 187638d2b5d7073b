"""Measures this project, and the systems a user would pick instead of it: docs/performance.md."""
