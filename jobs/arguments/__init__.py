"""The arguments of jobs: which there are, and how they become JSON and come back.

A value is encoded, checked against what every database keeps, and decoded again against its
annotation before anything is stored. What would not come back as it was given is refused.
"""

from __future__ import annotations

from .declaring import declare
from .fields import Fields, fields_of
from .values import describe, encode_result

__all__ = ["Fields", "declare", "describe", "encode_result", "fields_of"]
