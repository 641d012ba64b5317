"""Runs over several ranks, which are threads of this process: how the package calls collectives,
and how errors come to all ranks. Tests/MPI does it over processes.
"""

import threading

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


def test_rank_0_chooses_for_all():
    outcomes, _ = run(lambda it: first_does(it, lambda: {"rate": 0.5 + it.rank}), world=3)
    assert outcomes == [{"rate": 0.5}] * 3

    def fails():
        raise supcon.StateError("no rate was found")

    outcomes, _ = run(lambda it: first_does(it, fails))
    for rank, error in enumerate(outcomes):
        assert isinstance(error, supcon.StateError) and error.rank == 0
        assert str(error) == ("" if rank == 0 else "rank 0: ") + "no rate was found"


@pytest.mark.parametrize("wrong", [dict(seconds=-1), dict(temperature="hot")])
def test_a_search_that_cannot_begin_at_one_rank_ends_at_all(wrong):
    def body(collectives):
        images = np.random.default_rng(1).integers(0, 255, (40, 12, 12, 1), np.uint8)
        data = supcon.Dataset.from_images(images, np.arange(40) % 4)
        model = supcon.Model(width=4, channels=1, image_size=12, n_jobs=1, precision="f32")
        more = wrong if collectives.rank == 1 else {}
        return supcon.tune(model, data, collectives=collectives, epochs=1, batch_size=12, **more)

    outcomes, _ = run(body)
    for error in outcomes:
        assert isinstance(error, (supcon.ArgumentError, supcon.ElementTypeError)), error
        assert next(iter(wrong)) in str(error)


def join(collectives, change=lambda rank, part: part):
    """Joins 40 images of 4 classes, of which the ranks have the more the later they come."""
    images = np.random.default_rng(1).integers(0, 255, (40, 12, 12, 1), np.uint8)
    world = collectives.world
    bounds = [40 * it * (it + 1) // (world * (world + 1)) for it in range(world + 1)]
    own = slice(bounds[collectives.rank], bounds[collectives.rank + 1])

    def part():
        found = supcon.Dataset.from_images(images[own], np.arange(40)[own] % 4)
        return change(collectives.rank, found)

    return supcon.Dataset.join(part, collectives), images, own


@pytest.mark.parametrize("world", [2, 3])
def test_joined_images(world):
    def body(collectives):
        data, images, own = join(collectives)
        assert len(data) == 40 and data.labels.tolist() == [it % 4 for it in range(40)]
        assert data.paths is None and data.class_names == ["0", "1", "2", "3"]
        assert (data.height, data.width, data.channels) == (12, 12, 1)
        part = data[np.arange(39, -1, -1)].own_part()
        assert part.labels.tolist() == [it % 4 for it in reversed(range(40)[own])]
        model = supcon.Model(width=4, channels=1, image_size=12, seed=3, n_jobs=1, precision="f32")
        np.testing.assert_array_equal(model.embed(part), model.embed(images[own])[::-1])
        with pytest.raises(supcon.ArgumentError, match="of the joined data set is at rank"):
            model.embed(data)
        supcon.train(
            model, data, collectives=collectives, epochs=2, batch_size=40, learning_rate=2e-4,
            reference_batch=0, validation_fraction=0, sync_batch_norm=True,
        )  # fmt: skip
        return model.embed(images)

    outcomes, _ = run(body, world=world)
    one = train(None, epochs=2, batch_size=40)
    for rows in outcomes:
        np.testing.assert_allclose(rows, one, atol=2e-5)


def test_a_part_that_fails_ends_all():
    def change(rank, part):
        if rank == 1:
            raise FileNotFoundError("there is no photos/")
        return part

    outcomes, _ = run(lambda it: join(it, change), world=3)
    assert isinstance(outcomes[1], FileNotFoundError)
    for rank in (0, 2):
        assert isinstance(outcomes[rank], supcon.FileError) and outcomes[rank].rank == 1
        assert str(outcomes[rank]) == "rank 1 of 3: there is no photos/"


def test_parts_with_classes_of_their_own():
    names = [["oak", "ash", "elm", "fir"], ["fir", "yew", "box", "oak"]]

    def change(rank, part):
        return part.with_class_names(names[rank])

    outcomes, _ = run(lambda it: join(it, change)[0])
    first = names[0] * 3 + names[0][:1]  # 13 images
    second = [names[1][it % 4] for it in range(13, 40)]
    for data in outcomes:
        assert data.class_names == ["ash", "box", "elm", "fir", "oak", "yew"]
        assert [data.class_names[it] for it in data.class_indices] == first + second


def test_the_rate_of_joined_images_is_looked_for_by_rank_0():
    def body(collectives):
        data = join(collectives)[0]
        model = supcon.Model(width=4, channels=1, image_size=12, seed=3, n_jobs=1, precision="f32")
        return supcon.tune(
            model, data, collectives=collectives, epochs=1, batch_size=20, seconds=60
        ).learning_rate

    outcomes, _ = run(body, timeout=90)
    assert outcomes[0] == outcomes[1] > 0, outcomes
