"""Callbacks of a training run, by Keras's names and arguments.

    supcon.train(model, data, callbacks=[EarlyStopping("loss", patience=3), CSVLogger("log.csv")])
    supcon.SupConEncoder(epochs=100, callbacks=[ReduceLROnPlateau("loss", patience=5)]).fit(X, y)

A quantity to `monitor` is one of "loss", "knn_accuracy" (kNN@1 on the images that
validation_fraction holds out), "train_accuracy", "alignment" and "uniformity", measured after each
epoch; mode "auto" takes accuracies for better the higher they are, the others the lower. A resumed
run begins with callbacks as they are given; learning rates that they changed stay changed.
"""

from __future__ import annotations

import csv
import math
import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from . import _convert
from ._errors import ArgumentError, ElementTypeError, SupConWarning
from ._types import Callbacks, PathLike

if TYPE_CHECKING:
    from ._model import Model
    from ._training import Event, Trainer

Logs = dict[str, float]

_OF_EPOCHS = ("knn_accuracy", "train_accuracy", "alignment", "uniformity")
_LOGGED = ("loss", "learning_rate", *_OF_EPOCHS, "images_per_second")


class Callback:
    """A listener to a run; subclass it and override what you need. One object serves one run at a
    time.

    Hooks, as in Keras (epochs and batches count from 0; `logs` has what was measured, by name):
    on_train_begin(logs), on_train_batch_end(batch, logs), on_epoch_end(epoch, logs),
    on_train_end(logs), which comes however the run ends; and on_warning(message).

    Attributes
    ----------
    model : Model
        ``model.stop_training = True`` ends the run; nothing else can be done with it meanwhile.
    params : dict
        epochs, batch_size.
    trainer
        ``trainer.scale_rate(factor)`` multiplies the learning rate from the next step on,
        ``trainer.save(path)`` writes the model as it is, ``trainer.keep()`` takes it for what the
        run leaves behind.
    """

    if TYPE_CHECKING:
        model: Model
        params: dict[str, int]
        trainer: Trainer
    else:
        model = params = trainer = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called before the first step."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a step."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after an epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called after the run."""

    def on_warning(self, message: str) -> None:
        """Called when the library finds something wrong with the run."""

    def begin(self, model: Model, trainer: Trainer, params: dict[str, int]) -> None:
        """Starts a run with this callback."""
        self.model, self.trainer, self.params = model, trainer, params
        self._logs: Logs = {}
        model.stop_training = False
        self.on_train_begin()

    def __call__(self, event: Event) -> bool:
        """Passes an event to its hook, and returns whether the run is to end."""
        if event.kind == "warning":
            self.on_warning(event.message)
        else:
            self._logs = {
                name: value
                for name in _LOGGED
                if math.isfinite(value := getattr(event, name)) or name == "loss"
            }
            if event.kind == "step":
                self.on_train_batch_end(event.step - 1, self._logs)
            else:
                self.on_epoch_end(event.epoch - 1, self._logs)
        return self.model.stop_training

    def end(self) -> None:
        """Ends a run with this callback."""
        try:
            self.on_train_end(self._logs)
        finally:
            del self.model, self.trainer  # so that an estimator with it can be cloned


def listed(callbacks: Callbacks | None) -> list[Callable[[Event], object]]:
    """Returns `callbacks` (a list of them, a single one, or None) as a list of callables."""
    if callbacks is None:
        return []
    found = [callbacks] if callable(callbacks) else callbacks
    if not isinstance(found, (list, tuple)) or not all(map(callable, found)):
        raise ElementTypeError(
            f"callbacks is {callbacks!r}; expected a list of supcon.callbacks and functions"
        )
    if any(isinstance(it, type) for it in found):
        raise ElementTypeError(f"callbacks is {callbacks!r}; expected objects, not classes")
    return list(found)


def watch_held_out(callbacks: Callbacks | None) -> bool:
    """Tells whether one of these follows the accuracy of the images that a run holds out."""
    return any(getattr(it, "monitor", "") == "knn_accuracy" for it in listed(callbacks))


class _Monitor(Callback):
    """Follows one quantity from epoch to epoch."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0, verbose: int = 0) -> None:
        if monitor not in ("loss", *_OF_EPOCHS):
            raise ArgumentError(
                f"monitor is {monitor!r}; expected one of {', '.join(('loss', *_OF_EPOCHS))}"
            )
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(f"mode is {mode!r}; expected 'auto', 'min' or 'max'")
        self.monitor, self.mode, self.verbose = monitor, mode, verbose
        self.min_delta = abs(_convert.real("min_delta", min_delta))
        self._higher = mode == "max" or (mode == "auto" and monitor.endswith("accuracy"))

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best, self.wait, self._said = -math.inf if self._higher else math.inf, 0, False

    def value(self, logs: Logs | None) -> float | None:
        """Returns the quantity; None, with a warning the first time, if it was not measured."""
        logs = logs or {}
        if self.monitor in logs:
            return logs[self.monitor]
        if not self._said:
            self._said = True
            has = ", ".join(it for it in logs if it in ("loss", *_OF_EPOCHS))
            warnings.warn(
                f"{type(self).__name__} monitors {self.monitor}, which this epoch has not "
                f"measured; it has {has}",
                SupConWarning,
                stacklevel=2,
            )
        return None

    def is_better(self, value: float, than: float) -> bool:
        """Tells whether `value` is better than `than` by more than min_delta."""
        gain = value - than if self._higher else than - value
        return gain > self.min_delta

    def say(self, text: str) -> None:
        """Prints on standard output, as Keras does, if verbose."""
        if self.verbose:
            print(text, flush=True)


class EarlyStopping(_Monitor):
    """Ends the run when `monitor` has not improved for `patience` epochs.

    Parameters
    ----------
    monitor : str, default "knn_accuracy"
    min_delta : float, default 0
        A smaller change is no gain.
    patience : int, default 0
    verbose : int, default 0
    mode : {"auto", "min", "max"}
    baseline : float, optional
        The value to get better than, at first.
    restore_best_weights : bool, default False
        The model ends as it was after the best epoch, also if no epoch was one too many.
    start_from_epoch : int, default 0
        Epochs before that are not judged.
    """

    def __init__(
        self,
        monitor: str = "knn_accuracy",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta, verbose)
        self.patience = _convert.integer("patience", patience, 0, 2**31 - 1)
        self.baseline = None if baseline is None else _convert.real("baseline", baseline)
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = _convert.integer("start_from_epoch", start_from_epoch, 0, 2**31 - 1)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin()
        self.stopped_epoch, self.best_epoch = 0, 0
        self._best_so_far = self.best
        if self.baseline is not None:
            self.best = self.baseline

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = None if epoch < self.start_from_epoch else self.value(logs)
        if value is None:
            return
        self.wait += 1
        # The best weights are those of the best epoch, even if it is below the baseline.
        if self.is_better(value, self._best_so_far):
            self._best_so_far, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.trainer.keep()
        if self.is_better(value, self.best):
            self.best, self.wait = value, 0
        elif self.wait >= self.patience:
            self.stopped_epoch, self.model.stop_training = epoch, True
            self.say(f"Epoch {epoch + 1}: early stopping")


class ModelCheckpoint(_Monitor):
    """Writes the model after each epoch, or only when it is the best so far.

    Parameters
    ----------
    filepath : path
        With fields if wanted: "model-{epoch:02d}-{loss:.3f}.safetensors"; epoch counts from 1.
    monitor : str, default "knn_accuracy"
    verbose : int, default 0
    save_best_only : bool, default False
    mode : {"auto", "min", "max"}
    save_freq : "epoch" or int, default "epoch"
        An integer: after each so many steps, whatever they came to.
    initial_value_threshold : float, optional
        What the first model has to be better than, with save_best_only.
    """

    def __init__(
        self,
        filepath: PathLike,
        monitor: str = "knn_accuracy",
        verbose: int = 0,
        save_best_only: bool = False,
        mode: str = "auto",
        save_freq: Literal["epoch"] | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, 0, verbose)
        self.filepath, self.save_best_only = os.fspath(filepath), save_best_only
        self.save_freq: Literal["epoch"] | int = (
            "epoch" if save_freq == "epoch" else _convert.integer("save_freq", save_freq, 1, 2**31)
        )
        self.initial_value_threshold = initial_value_threshold
        if save_best_only and save_freq != "epoch":
            raise ArgumentError(
                f"save_freq is {save_freq!r} beside save_best_only, which judges epochs; expected "
                "'epoch'"
            )

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin()
        self._steps, self._epoch = 0, 0
        if self.initial_value_threshold is not None:
            self.best = _convert.real("initial_value_threshold", self.initial_value_threshold)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._steps += 1
        if self.save_freq != "epoch" and self._steps % self.save_freq == 0:
            self._save(self._epoch, logs, batch=batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch + 1
        if self.save_freq != "epoch":
            return
        if self.save_best_only:
            value = self.value(logs)
            if value is None or not self.is_better(value, self.best):
                return
            self.best = value
        self._save(epoch, logs)

    def _save(self, epoch: int, logs: Logs | None, **more: int) -> None:
        fields = {"epoch": epoch + 1} | more | (logs or {})
        try:
            path = self.filepath.format(**fields)
        except (KeyError, IndexError, ValueError) as error:
            raise ArgumentError(
                f"filepath is {self.filepath!r} ({error!r}); expected fields among "
                f"{', '.join(fields)}"
            ) from None
        self.trainer.save(path)
        self.say(f"Epoch {epoch + 1}: saving model to {path}")


class CSVLogger(Callback):
    """Writes a row for each epoch: epoch (from 0, as in Keras) and what was measured.

    Parameters
    ----------
    filename : path
    separator : str, default ","
    append : bool, default False
        Go on in a file that is there; its header stays.
    """

    def __init__(self, filename: PathLike, separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = os.fspath(filename), separator, append

    def on_train_begin(self, logs: Logs | None = None) -> None:
        begun = self.append and os.path.exists(self.filename) and os.path.getsize(self.filename)
        mode = "a" if self.append else "w"
        self._file = open(self.filename, mode, newline="", encoding="utf-8")
        self._rows = csv.writer(self._file, delimiter=self.separator, lineterminator="\n")
        if not begun:
            self._rows.writerow(["epoch", *_LOGGED])

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        self._rows.writerow([epoch, *(logs.get(name, "") for name in _LOGGED)])
        self._file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._file.close()
        del self._file, self._rows


class TensorBoard(Callback):
    """Writes events for TensorBoard after each epoch, with its own library: ``pip install
    tensorboard``.

    Parameters
    ----------
    log_dir : path, default "logs"
    """

    def __init__(self, log_dir: PathLike = "logs") -> None:
        self.log_dir = log_dir

    def on_train_begin(self, logs: Logs | None = None) -> None:
        from . import _tensorboard

        self._events = _tensorboard.writer(self.log_dir)
        if self._events is None:
            raise ImportError("the callback TensorBoard needs tensorboard: pip install tensorboard")

    def __call__(self, event: Event) -> bool:
        if event.kind == "epoch":
            from ._tensorboard import add

            add(self._events, event)
            self._events.flush()
        return super().__call__(event)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._events.close()
        del self._events


class ReduceLROnPlateau(_Monitor):
    """Multiplies the learning rate by `factor` when `monitor` has not improved for `patience`
    epochs. The schedule continues below it; with schedule="constant" only this callback changes the
    rate.

    Parameters
    ----------
    monitor : str, default "loss"
    factor : float, default 0.1
        Above 0, below 1.
    patience : int, default 10
    verbose : int, default 0
    mode : {"auto", "min", "max"}
    min_delta : float, default 1e-4
    cooldown : int, default 0
        Epochs after a reduction in which nothing is counted.
    min_lr : float, default 0
        The rate is not reduced below it.
    """

    def __init__(
        self,
        monitor: str = "loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta, verbose)
        self.factor = _convert.real("factor", factor)
        if not 0 < self.factor < 1:
            raise ArgumentError(f"factor is {factor}; expected a number above 0 and below 1")
        self.patience = _convert.integer("patience", patience, 0, 2**31 - 1)
        self.cooldown = _convert.integer("cooldown", cooldown, 0, 2**31 - 1)
        self.min_lr = _convert.real("min_lr", min_lr)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin()
        self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        value = self.value(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.wait = self.cooldown_counter - 1, 0
        if self.is_better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            rate = logs["learning_rate"]
            if self.wait >= self.patience and rate > self.min_lr:
                self.trainer.scale_rate(max(self.factor, self.min_lr / rate))
                self.cooldown_counter, self.wait = self.cooldown, 0
                self.say(f"Epoch {epoch + 1}: learning rate times {self.factor:g} from {rate:g}")


class TerminateOnNaN(Callback):
    """Ends the run without an exception when the loss becomes NaN or infinite, which otherwise is a
    StateError. Either way the model is as it was after the epoch before.
    """

    def __call__(self, event: Event) -> bool:
        if event.kind == "warning" and math.isnan(event.loss):
            self.model.stop_training = True
            warnings.warn(event.message, SupConWarning, stacklevel=2)
        return super().__call__(event)


class ProgressBar(Callback):
    """Shows progress on standard error, with loss, rate and time left, as verbose=1 does."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        from ._progress import Progress

        self._progress = Progress()

    def __call__(self, event: Event) -> bool:
        self._progress(event)
        return super().__call__(event)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._progress.close()
        del self._progress


__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "ModelCheckpoint",
    "ProgressBar",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
]
