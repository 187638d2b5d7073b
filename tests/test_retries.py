from __future__ import annotations

import pytest

from jobs.retries import delay_after, spread


@pytest.mark.parametrize("failures", [1, 2, 50])
def test_a_number_is_the_delay_after_every_failure(failures: int):
    assert delay_after(60, failures) == 60.0


@pytest.mark.parametrize(("failures", "delay"), [(1, 10.0), (2, 60.0), (3, 300.0), (4, 300.0)])
def test_a_list_has_one_delay_per_failure_and_repeats_its_last(failures: int, delay: float):
    assert delay_after([10, 60, 300], failures) == delay


def test_a_delay_is_a_float():
    assert isinstance(delay_after(5, 1), float)


@pytest.mark.parametrize(
    ("jitter", "shortest", "longest"), [(0, 60, 60), (0.5, 60, 90), (2, 60, 180)]
)
def test_jitter_lengthens_a_delay_by_no_more_than_its_share(jitter, shortest, longest) -> None:
    assert spread(60, jitter, 0.0) == shortest
    assert spread(60, jitter, 1.0) == longest
