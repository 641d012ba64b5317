"""Callbacks by Keras's names: what they decide, by series of their own; what they do, in runs."""

import copy
import csv
import math
import subprocess
import sys

import numpy as np
import pytest

import supcon
from supcon import callbacks

OPTIONS = dict(batch_size=16, validation_fraction=0.0, seed=3, learning_rate=0.05)


def model():
    return supcon.Model(
        width=4, projection_dim=16, precision="f32", image_size=12, channels=1, seed=1, n_jobs=1
    )


@pytest.fixture
def data(shapes):
    return supcon.Dataset.from_images(*shapes)


class Trainer:
    """Notes what a callback asks of a trainer."""

    def __init__(self):
        self.factors, self.kept, self.saved = [], 0, []

    def scale_rate(self, factor):
        self.factors.append(factor)

    def keep(self):
        self.kept += 1

    def save(self, path):
        self.saved.append(path)


class Model:
    stop_training = False


def play(callback, values, name="loss", rate=0.1):
    """Hands a callback epochs with these values of a quantity. Returns the trainer and the number
    of epochs until it ended the run.
    """
    trainer, fake = Trainer(), Model()
    callback.begin(fake, trainer, {"epochs": len(values)})
    for epoch, value in enumerate(values):
        callback.on_epoch_end(
            epoch, {"learning_rate": rate * math.prod(trainer.factors), name: value}
        )
        if fake.stop_training:
            return trainer, epoch + 1
    return trainer, None


@pytest.mark.parametrize(
    ("options", "values", "ends", "kept"),
    [
        (dict(patience=2), [3, 2, 1, 1, 1], 5, 3),
        (dict(patience=2), [3, 2, 2.5, 1, 2, 0.5], None, 4),
        (dict(patience=0), [1, 2, 3], 2, 1),
        (dict(patience=1, min_delta=0.5), [3, 2.8, 2], 2, 1),
        (dict(patience=2, mode="max"), [1, 2, 3, 3, 3], 5, 3),
        (dict(patience=2, baseline=0.5), [3, 2, 1], 2, 2),
        (dict(patience=1, start_from_epoch=3), [1, 2, 3, 4, 5], 5, 1),
        (dict(patience=1), [1, math.nan, 0], 2, 1),
    ],
)
def test_early_stopping(options, values, ends, kept):
    stop = callbacks.EarlyStopping("loss", restore_best_weights=True, **options)
    trainer, ended = play(stop, values)
    assert (ended, trainer.kept) == (ends, kept)
    accuracy = callbacks.EarlyStopping("knn_accuracy", patience=1)
    assert play(accuracy, [0.1, 0.3, 0.2], "knn_accuracy")[1] == 3


@pytest.mark.parametrize(
    ("options", "values", "factors"),
    [
        (dict(patience=2), [3, 2, 2, 2, 2, 2], [0.1, 0.1]),
        (dict(patience=2, cooldown=2), [3, 2, 2, 2, 2, 2, 2], [0.1, 0.1]),
        (dict(patience=1, factor=0.5, min_lr=0.03), [1, 1, 1, 1, 1], [0.5, 0.6]),
        (dict(patience=1, min_delta=0), [5, 4, 3, 2, 1], []),
        (dict(patience=1, min_delta=2), [5, 4, 3, 2, 1], [0.1] * 3),
    ],
)
def test_reduction_on_a_plateau(options, values, factors):
    reduce = callbacks.ReduceLROnPlateau("loss", **options)
    assert play(reduce, values)[0].factors == pytest.approx(factors)


def test_checkpoints_of_models(data, tmp_path):
    trained = model()
    every = callbacks.ModelCheckpoint(str(tmp_path / "{epoch:02d}-{loss:.2f}.safetensors"))
    steps = callbacks.ModelCheckpoint(tmp_path / "{epoch}-{batch}.safetensors", save_freq=4)
    best = callbacks.ModelCheckpoint(
        tmp_path / "best.safetensors", "loss", save_best_only=True, mode="max"
    )
    training = supcon.train(trained, data, epochs=3, callbacks=[every, steps, best], **OPTIONS)
    losses = [it.loss for it in training.history]
    names = [f"{epoch:02d}-{loss:.2f}.safetensors" for epoch, loss in enumerate(losses, 1)]
    names += [f"{1 + at // 6}-{at % 6 + 1}.safetensors" for at in range(18) if at % 4 == 3]
    assert {it.name for it in tmp_path.iterdir()} == {*names, "best.safetensors"}
    images = data  # embedded by each
    last = supcon.load(tmp_path / names[2], precision="f32").embed(images)
    np.testing.assert_array_equal(last, trained.embed(images))
    highest = supcon.load(tmp_path / names[int(np.argmax(losses))], precision="f32").embed(images)
    found = supcon.load(tmp_path / "best.safetensors", precision="f32").embed(images)
    np.testing.assert_array_equal(found, highest)
    assert [play(best, [1, 3, 2, 4])[0].saved] == [[str(tmp_path / "best.safetensors")] * 3]
    with pytest.raises(ValueError, match="expected fields among epoch, loss"):
        supcon.train(model(), data, epochs=1, callbacks=callbacks.ModelCheckpoint("{x}"), **OPTIONS)


@pytest.mark.parametrize("ema_decay", [0, 0.9])
def test_the_best_weights_are_restored(data, tmp_path, ema_decay):
    """By a loss that is told to be best after the second of four epochs."""

    class Best(callbacks.EarlyStopping):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs | {"loss": [3, 1, 2, 2][epoch]})

    options = OPTIONS | dict(epochs=4, ema_decay=ema_decay)
    path = tmp_path / "{epoch}.safetensors"
    for patience in (2, 9):  # stopped early, and run to the end
        trained = model()
        best = Best("loss", patience=patience, restore_best_weights=True)
        supcon.train(trained, data, callbacks=[callbacks.ModelCheckpoint(path), best], **options)
        second = supcon.load(tmp_path / "2.safetensors", precision="f32")
        np.testing.assert_array_equal(trained.embed(data), second.embed(data))
        assert best.best_epoch == 1 and best.stopped_epoch == (3 if patience == 2 else 0)


def test_a_changed_rate_is_resumed_exactly(data, tmp_path):
    class Scale(callbacks.Callback):
        def __init__(self, stops=False):
            self.stops = stops

        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.trainer.scale_rate(0.25)
                self.model.stop_training = self.stops

    rates = []

    def hear(event):
        if event.kind == "step":
            rates.append(event.learning_rate)

    options = OPTIONS | dict(epochs=4, schedule="constant", warmup_epochs=0, reference_batch=0)
    whole, parts, plain = model(), model(), model()
    supcon.train(whole, data, callbacks=[Scale(), hear], **options)
    assert rates == pytest.approx([0.05] * 12 + [0.0125] * 12)
    options |= dict(checkpoint_folder=tmp_path, resume=True)
    supcon.train(parts, data, callbacks=Scale(stops=True), **options)
    assert parts.to_bytes() != whole.to_bytes()
    rates.clear()
    supcon.train(parts, data, callbacks=[hear], **options)
    assert rates == pytest.approx([0.0125] * 12) and parts.to_bytes() == whole.to_bytes()
    supcon.train(plain, data, **options | dict(checkpoint_folder=None, resume=False))
    assert plain.to_bytes() != whole.to_bytes()


def test_a_trainer_refuses(data):
    said = []

    class Misuse(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            for factor in (0, -1, 1e-13, 1e13):
                with pytest.raises(ValueError, match="learning rate is scaled by"):
                    self.trainer.scale_rate(factor)
            with pytest.raises(OSError):
                self.trainer.save("/proc/none/x")
            self.trainer_then = self.trainer

        def on_train_end(self, logs=None):
            for call in (self.trainer.keep, lambda: self.trainer.scale_rate(1)):
                with pytest.raises(supcon.StateError, match="from the callback of a run"):
                    call()
            said.append(logs["loss"])

    training = supcon.train(model(), data, epochs=1, callbacks=Misuse(), **OPTIONS)
    assert said == [training.history[0].loss]


def test_csv(data, tmp_path):
    path = tmp_path / "log.csv"
    options = OPTIONS | dict(epochs=2, validation_fraction=0.25)
    history = supcon.train(model(), data, callbacks=callbacks.CSVLogger(path), **options).history
    again = callbacks.CSVLogger(path, append=True)
    supcon.train(model(), data, callbacks=again, **options)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [it["epoch"] for it in rows] == ["0", "1", "0", "1"]
    for row, event in zip(rows, history):
        assert float(row["loss"]) == event.loss and row["train_accuracy"] == ""
        assert float(row["knn_accuracy"]) == event.knn_accuracy
    copy.deepcopy(again)  # no open file is left in it


def test_tensorboard(data, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = supcon.train(
        model(), data, epochs=2, callbacks=[callbacks.TensorBoard(tmp_path / "logs")], **OPTIONS
    ).history
    events = EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    found = [it.tensor_proto.float_val[0] for it in events.Tensors("train/loss")]
    assert found == pytest.approx([it.loss for it in history], rel=1e-6)


def test_tensorboard_says_what_is_missing(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        supcon.train(model(), data, epochs=1, callbacks=[callbacks.TensorBoard()], **OPTIONS)


def test_not_a_number_ends_a_run(data):
    options = OPTIONS | dict(epochs=3, learning_rate=1e6, warmup_epochs=0, weight_decay=10.0)
    with pytest.raises(supcon.StateError, match="weights have diverged"):
        supcon.train(model(), data, **options)
    with pytest.warns(supcon.SupConWarning, match="weights have diverged"):
        training = supcon.train(model(), data, callbacks=[callbacks.TerminateOnNaN()], **options)
    assert training.stopped and len(training.history) < 3


def test_a_run_that_diverges_is_put_back_to_its_last_epoch(data, tmp_path):
    """Not to the start, and not to the epoch before: each was other weights."""

    class Blast(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.trainer.save(tmp_path / f"{epoch}.safetensors")
            if epoch == 2:
                self.trainer.scale_rate(1e9)

    options = OPTIONS | dict(epochs=8, schedule="constant", weight_decay=10.0)
    made = model()
    with pytest.raises(supcon.StateError, match="put back to the end of epoch") as failed:
        supcon.train(made, data, callbacks=[Blast()], **options)
    files = sorted(tmp_path.iterdir(), key=lambda it: int(it.stem))
    assert len(files) >= 3 and f"the end of epoch {len(files)}." in str(failed.value)
    kept = [supcon.load(it).fingerprint for it in files]
    assert made.fingerprint == kept[-1] and len(set(kept)) == len(kept)


def test_hooks_in_their_order(data, stop):
    heard = []

    class Note(callbacks.Callback):
        def on_train_begin(self, logs=None):
            heard.append(("begin", self.params))

        def on_train_batch_end(self, batch, logs=None):
            heard.append(batch)

        def on_epoch_end(self, epoch, logs=None):
            heard.append(("epoch", epoch, sorted(logs)))

        def on_train_end(self, logs=None):
            heard.append("end")

    supcon.train(model(), data, epochs=2, callbacks=Note(), **OPTIONS)
    names = ["alignment", "images_per_second", "learning_rate", "loss", "uniformity"]
    begun = {"epochs": 2, "batch_size": OPTIONS["batch_size"]}
    assert heard == [
        ("begin", begun), *range(6), ("epoch", 0, names), *range(6), ("epoch", 1, names), "end",
    ]  # fmt: skip
    heard.clear()

    def fails(event):
        raise stop

    with pytest.raises(stop):
        supcon.train(model(), data, epochs=2, callbacks=[Note(), fails], **OPTIONS)
    assert heard[-1] == "end"


def test_what_is_no_callback(data):
    for wrong in ("x", [3], {}, callbacks.CSVLogger, [callbacks.CSVLogger]):
        with pytest.raises(TypeError, match="callbacks is"):
            supcon.train(model(), data, epochs=1, callbacks=wrong, **OPTIONS)
    for make in (
        lambda: callbacks.EarlyStopping("val_loss"),
        lambda: callbacks.EarlyStopping(mode="up"),
        lambda: callbacks.ReduceLROnPlateau(factor=1),
        lambda: callbacks.ModelCheckpoint("x", save_best_only=True, save_freq=3),
        lambda: callbacks.ModelCheckpoint("x", save_freq=0),
    ):
        with pytest.raises(ValueError, match="expected"):
            make()
    with pytest.warns(supcon.SupConWarning, match="monitors knn_accuracy.*has loss"):
        supcon.train(model(), data, epochs=2, callbacks=callbacks.EarlyStopping(), **OPTIONS)


def test_estimators_take_them_and_are_cloned(shapes, small, tmp_path):
    base = pytest.importorskip("sklearn.base")
    given = [
        callbacks.EarlyStopping("loss", patience=0, baseline=-1),
        callbacks.CSVLogger(tmp_path / "log.csv"),
        callbacks.ProgressBar(),
    ]
    encoder = supcon.SupConEncoder(**small | dict(epochs=5), callbacks=given).fit(*shapes)
    assert len(encoder.history_["epoch"]) == 1
    again = base.clone(encoder).fit(*shapes)
    assert again.model_.to_bytes() == encoder.model_.to_bytes()


def test_the_bar_is_what_verbose_shows():
    code = """
import numpy as np, supcon
images = np.random.default_rng(0).integers(0, 256, (32, 8, 8), np.uint8)
options = dict(width=4, epochs=1, batch_size=16, validation_fraction=0, n_jobs=1, precision="f32")
supcon.SupConEncoder(**options, OPTION).fit(images)
"""
    shown = []
    for option in ("verbose=1", "callbacks=[supcon.callbacks.ProgressBar()]"):
        run = subprocess.run(
            [sys.executable, "-c", code.replace("OPTION", option)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        bar = run.stderr[run.stderr.index("epoch 1/1") :]  # behind what was chosen
        shown.append(bar.split("images/s")[0].rsplit(" ", 2)[0])
    assert shown[0] == shown[1] and "epoch 1/1  loss" in shown[0]
