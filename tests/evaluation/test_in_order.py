import threading
import time

import pytest

from kerasae.evaluation.score import in_order


@pytest.mark.parametrize("at_once", [1, 2])
def test_results_come_in_the_order_of_the_batches(at_once):
    for first_alone in (True, False):
        found = in_order(lambda batch: -batch, [3, 1, 2], at_once=at_once, first_alone=first_alone)
        assert list(found) == [-3, -1, -2]
    assert list(in_order(lambda batch: batch, [], at_once=at_once, first_alone=True)) == []


def test_two_are_at_work_at_once():
    both = threading.Barrier(2, timeout=60)
    places = list(in_order(lambda batch: both.wait(), range(4), at_once=2, first_alone=False))
    assert sorted(places) == [0, 0, 1, 1]


def test_the_second_waits_for_the_first_where_it_should():
    finished = []

    def function(batch):
        assert batch == 0 or 0 in finished
        finished.append(batch)

    list(in_order(function, range(5), at_once=2, first_alone=True))
    assert sorted(finished) == list(range(5))


@pytest.mark.parametrize("at_once", [1, 2])
def test_what_is_not_begun_is_dropped_after_an_error(at_once):
    begun = []

    def function(batch):
        begun.append(batch)
        if batch == 3:
            raise ValueError("batch 3")
        time.sleep(0.01)

    with pytest.raises(ValueError, match="batch 3"):
        list(in_order(function, range(1000), at_once=at_once, first_alone=True))
    assert len(begun) < 500
