import threading
import time

import keras
import pytest

from kerasae.evaluation.in_order import in_order

at_once = pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch's batches are scored one by one")


def test_results_come_in_the_order_of_the_batches():
    for first_alone in (True, False):
        assert list(in_order(lambda batch: -batch, [3, 1, 2], first_alone=first_alone)) == [-3, -1, -2]
    assert list(in_order(lambda batch: batch, [], first_alone=True)) == []


@at_once
def test_two_are_at_work_at_once():
    both = threading.Barrier(2, timeout=60)
    list(in_order(lambda batch: both.wait(), range(4), first_alone=False))


@at_once
def test_the_second_waits_for_the_first_where_it_should():
    finished = []

    def function(batch):
        assert batch == 0 or 0 in finished
        finished.append(batch)

    list(in_order(function, range(5), first_alone=True))
    assert sorted(finished) == list(range(5))


def test_what_is_not_begun_is_dropped_after_an_error():
    begun = []

    def function(batch):
        begun.append(batch)
        if batch == 3:
            raise ValueError("batch 3")
        time.sleep(0.01)

    with pytest.raises(ValueError, match="batch 3"):
        list(in_order(function, range(1000), first_alone=True))
    assert len(begun) < 500
