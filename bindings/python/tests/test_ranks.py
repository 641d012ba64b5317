"""Runs over several ranks, which are threads of this process: how the package calls collectives,
and how errors come to all ranks. Tests/MPI does it over processes.
"""

import threading
import time

import numpy as np
import pytest

import supcon
from supcon._collectives import Collectives, first_does


class Meeting:
    """Where the ranks of a test meet."""

    def __init__(self, world, timeout):
        self.world, self.left = world, [None] * world
        self.barrier = threading.Barrier(world, timeout=timeout)


class Ranks(Collectives):
    """One of several threads; `calls` are the names of its operations, with the thread of each."""

    def __init__(self, meeting, rank, any_thread):
        self.meeting, self.rank, self.world = meeting, rank, meeting.world
        self.any_thread, self.calls = any_thread, []

    def _exchange(self, name, values):
        """What all ranks give."""
        self.calls.append((name, threading.get_ident()))
        self.meeting.left[self.rank] = values.copy()
        self.meeting.barrier.wait()
        found = list(self.meeting.left)
        self.meeting.barrier.wait()
        return found

    def all_reduce_sum(self, values):
        values[:] = np.sum(self._exchange("sum", values), 0, np.float32)

    def all_gather(self, values, gathered):
        gathered[:] = self._exchange("gather", values)

    def broadcast(self, values, root):
        values[:] = self._exchange("broadcast", values)[root]

    def barrier(self):
        self._exchange("barrier", np.zeros(0))


class WithExchange(Ranks):
    def all_to_all(self, values, received):
        received[:] = [it[self.rank] for it in self._exchange("exchange", values)]


def run(body, world=2, timeout=20, any_thread=True, kind=Ranks):
    """What ``body(collectives)`` returns or raises, as each rank."""
    meeting, outcomes = Meeting(world, timeout), [None] * world
    ranks = [kind(meeting, rank, any_thread) for rank in range(world)]

    def work(rank):
        try:
            outcomes[rank] = body(ranks[rank])
        except BaseException as error:
            outcomes[rank] = error

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(world)]
    for it in threads:
        it.start()
    for it in threads:
        it.join()
    return outcomes, ranks


def train(collectives, **options):
    """Trains a small model; returns its embeddings."""
    random = np.random.default_rng(1)
    images = random.integers(0, 255, (40, 12, 12, 1), np.uint8)
    model = supcon.Model(width=4, channels=1, image_size=12, seed=3, n_jobs=1, precision="f32")
    options = {
        "epochs": 1, "batch_size": 20, "learning_rate": 2e-4, "reference_batch": 0,
        "validation_fraction": 0, "sync_batch_norm": True,
    } | options  # fmt: skip
    supcon.train(
        model, supcon.Dataset.from_images(images, np.arange(40) % 4), collectives=collectives,
        **options,
    )  # fmt: skip
    return model.embed(images)


@pytest.mark.parametrize("any_thread", [False, True])
def test_sums_come_from_a_thread_only_where_that_may_be(any_thread):
    def body(collectives):
        return threading.get_ident(), train(collectives)

    outcomes, ranks = run(body, any_thread=any_thread)
    one = train(None)
    for (own, rows), collectives in zip(outcomes, ranks):
        np.testing.assert_allclose(rows, one, atol=2e-5)
        foreign = {name for name, thread in collectives.calls if thread != own}
        assert foreign == ({"sum"} if any_thread else set())


@pytest.mark.parametrize("kind", [Ranks, WithExchange])
def test_gradients_in_bf16(kind):
    (first, second), ranks = run(lambda it: train(it, gradient_precision="bf16"), kind=kind)
    np.testing.assert_array_equal(first, second)
    names = {name for name, _ in ranks[0].calls}
    assert ("exchange" in names) == (kind is WithExchange) and "sum" not in names
    off = np.abs(first - train(None)).max()
    assert 1e-7 < off < 2e-3


@pytest.mark.parametrize("rate", [2e-4, "auto"])
def test_all_ranks_hear_of_what_one_lacks(rate):
    def body(collectives):
        schedule = "nonsense" if collectives.rank == 1 else "cosine"
        return train(collectives, schedule=schedule, learning_rate=rate)

    outcomes, _ = run(body, world=3)
    for rank, error in enumerate(outcomes):
        assert isinstance(error, supcon.ArgumentError), error
        assert "schedule is 'nonsense'" in str(error)
        assert str(error).startswith("rank 1 of 3: ") == (rank != 1)
        assert error.rank == (None if rank == 1 else 1)


def test_what_the_collectives_raise_is_the_cause():
    class Broken(Ranks):
        def broadcast(self, values, root):
            raise ConnectionError("the cable is cut")

    outcomes, _ = run(train, kind=Broken)
    for error in outcomes:
        assert isinstance(error, supcon.FileError) and error.rank is None
        assert isinstance(error.__cause__, ConnectionError) and "the cable is cut" in str(error)


@pytest.mark.parametrize("error", [OSError("no log"), supcon.StateError("no log")])
def test_the_callback_that_begins_badly_ends_all(error):
    class Bad(supcon.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise error

    outcomes, _ = run(lambda it: train(it, callbacks=[Bad()]))
    assert outcomes[0] is error
    # as a callback of rank 0 that stops the run does
    assert isinstance(outcomes[1], np.ndarray)


def test_rank_0_works_and_the_others_wait(monkeypatch):
    """Longer than their deadline, as long as it calls now and then."""

    def work(beat):
        for _ in range(40):
            time.sleep(0.1)
            beat()
        return {"rate": 0.5}

    monkeypatch.setattr("supcon._collectives._BEAT", 0.05)
    outcomes, ranks = run(lambda it: first_does(it, work), world=3, timeout=3)
    assert outcomes == [{"rate": 0.5}] * 3
    assert len(ranks[0].calls) >= 4

    def fails(beat):
        raise supcon.StateError("no rate was found")

    outcomes, _ = run(lambda it: first_does(it, fails))
    for rank, error in enumerate(outcomes):
        assert isinstance(error, supcon.StateError) and error.rank == 0
        assert str(error) == ("" if rank == 0 else "rank 0: ") + "no rate was found"
