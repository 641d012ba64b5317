"""Runs the trainer."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from . import _abi, _convert, _generated, _options
from ._collectives import Bound, Collectives
from ._data import Dataset
from ._errors import CanceledError, StateError, SupConError
from ._library import check, context, guarded, interruptible, lib, own
from ._model import Model
from ._options import LOSS, MODEL_DATA, TRAIN, TRAIN_DATA, build, documented
from ._shown import Shown
from ._suiting import by_targets
from ._types import Augmentation, Callbacks, PathLike
from .callbacks import Callback, ProgressBar, listed


@dataclass(frozen=True)
class Event:
    """A report to callbacks after each step and epoch, and for a warning.

    kind : "step", "epoch" or "warning"
    epoch, epochs, step, steps : from 1; steps are those of the epoch
    loss : of this step, or the epoch's mean
    learning_rate, images_per_second, seconds_left : of now; the last is of the whole run, estimated
    knn_accuracy, alignment, uniformity, train_accuracy : of an epoch, NaN if not measured: kNN@1 on
    the validation split, mean squared distance of positives,
        log mean exp(-2 distance squared), the classifier's accuracy on the training batches
    anchors_without_positive : in this step or epoch
    message : of a warning, in words
    """

    kind: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    learning_rate: float
    images_per_second: float
    seconds_left: float
    knn_accuracy: float
    alignment: float
    uniformity: float
    train_accuracy: float
    anchors_without_positive: int
    message: str


_NAMES = [it.name for it in fields(Event)]


def _event(struct: _abi.EventStruct) -> Event:
    values = {name: getattr(struct, name) for name in _NAMES}
    values["kind"], values["message"] = (
        _abi.EventKind(struct.kind).word,
        (struct.message or b"").decode("utf-8", "replace"),
    )
    return Event(**values)


@dataclass(repr=False)
class Training(Shown):
    """The result of a run: `history`, the event of each epoch; `steps`, their number; `stopped`,
    whether a callback (rank 0's, of several) ended it early; `memory`, the bytes that one step
    takes; `run`, the run's folder.
    """

    memory: int = 0
    steps: int = 0
    stopped: bool = False
    run: Path | None = None
    history: list[Event] = field(default_factory=list)

    def _shown(self) -> list[tuple[str, object]]:
        rows: list[tuple[str, object]] = [("epochs", len(self.history)), ("steps", self.steps)]
        if self.history:
            rows.append(("loss", self.history[-1].loss))
            accuracy = self.history[-1].knn_accuracy
            rows += [("knn_accuracy", accuracy)] if accuracy == accuracy else []
        rows += [("stopped", self.stopped), ("memory", f"{self.memory / 1e6:,.0f} MB")]
        return rows + ([("run", str(self.run))] if self.run else [])


def history_table(events: list[Event]) -> Any:
    """Returns a row for each epoch: a pandas DataFrame if pandas is installed, else a dict of
    lists.
    """
    columns = (
        "epoch",
        "loss",
        "learning_rate",
        "knn_accuracy",
        "train_accuracy",
        "alignment",
        "uniformity",
        "anchors_without_positive",
        "images_per_second",
    )
    table = {name: [getattr(it, name) for it in events] for name in columns}
    try:
        from pandas import DataFrame
    except ImportError:
        return table
    return DataFrame(table)


@documented(TRAIN, LOSS)
def train(
    model: Model,
    data: Dataset,
    *,
    # generated: TRAIN LOSS
    objective: _generated.ObjectiveName | None = None,
    joint_classifier: bool | None = None,
    views: int | None = None,
    positives: _generated.PositivesName | None = None,
    margin: int | None = None,
    label_bandwidth: float | None = None,
    label_smoothing: float | None = None,
    mixup_alpha: float | None = None,
    cutmix_alpha: float | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    images_per_class: int | None = None,
    chunk_size: int | None = None,
    queue_mode: _generated.QueueName | None = None,
    queue_size: int | None = None,
    key_momentum: float | None = None,
    loader_threads: int | None = None,
    optimizer: _generated.OptimizerName | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    nesterov: bool | None = None,
    decay_norm_and_bias: bool | None = None,
    trust_coefficient: float | None = None,
    rmsprop_decay: float | None = None,
    beta1: float | None = None,
    beta2: float | None = None,
    epsilon: float | None = None,
    ema_decay: float | None = None,
    learning_rate: float | Literal["auto"] | None = None,
    min_lr: float | None = None,
    reference_batch: int | None = None,
    schedule: _generated.ScheduleName | None = None,
    warmup_epochs: float | None = None,
    warmup_steps: int | None = None,
    schedule_after_warmup: bool | None = None,
    warmup_start: float | None = None,
    milestones: Sequence[int] | None = None,
    gamma: float | None = None,
    exponential_factor: float | None = None,
    exponential_epochs: float | None = None,
    freeze_stages: int | None = None,
    freeze_norm: bool | None = None,
    unfreeze_epochs: Sequence[int] | None = None,
    layer_decay: float | None = None,
    image_size_schedule: Sequence[int] | None = None,
    random_image_size: bool | None = None,
    feature_cache: int | None = None,
    feature_cache_folder: str | os.PathLike[str] | None = None,
    freeze_int8: bool | None = None,
    validation_every: int | None = None,
    validation_fraction: float | None = None,
    checkpoint_folder: str | os.PathLike[str] | None = None,
    resume: bool | None = None,
    patience: int | None = None,
    restore_best: bool | None = None,
    stop_on_collapse: bool | None = None,
    sync_batch_norm: bool | None = None,
    gradient_precision: _generated.GradientPrecisionName | None = None,
    temperature: float | None = None,
    form: _generated.FormName | None = None,
    denominator: _generated.DenominatorName | None = None,
    anchors: _generated.AnchorsName | None = None,
    reduction: _generated.ReductionName | None = None,
    scale: float | None = None,
    positives_cap: int | None = None,
    # end of generated
    augmentation: Augmentation | None = None,
    seed: int | None = None,
    callbacks: Callbacks | None = None,
    collectives: Collectives | None = None,
    verbose: int = 0,
    run: PathLike | None = None,
    test: Dataset | None = None,
    training: Training | None = None,
) -> Training:
    """Trains a model in place. Nobody else may use it meanwhile.

    Parameters
    ----------
    model : Model
        Its n_jobs and memory_limit hold for the run.
    data : Dataset
        Of several processes, the same images in each, or `Dataset.join` of those of each.
    {options}
    augmentation : str, dict or a pair of them, optional
        As in `augment`; a pair is for an image's first view and for its others.
    seed : int, optional
        The seed of sampling, augmentation and the validation split; None: the library's.
    callbacks : list, optional
        Objects of `supcon.callbacks` and functions ``f(event)``, called in this order after each
        step and epoch, or a single one. One that returns True ends the run after this step; an
        exception in one comes out of this function.
    collectives : optional
        The processes that train together, each of which calls this with the same model, data and
        options: `supcon.mpi.collectives(comm)`, `supcon.distributed.collectives(group)`. They
        share each batch; batch_size is that of all together. Rank 0 alone calls the callbacks,
        writes progress, log and files; the others' results have no history. A failure on one
        rank ends the run on every rank. None: one process.
    verbose : int
        1: show progress with loss, rate and time left on standard error.
    run : path, optional
        A folder for the run's files: config.toml, summary.csv, TensorBoard's events if that is
        installed, checkpoints/, model.safetensors, and README.md (a model card). A folder that
        already holds a run is left unchanged: "runs/first" becomes "runs/first-2", and so on,
        unless `resume` is set. The result's `run` is the folder used.
    test : Dataset, optional
        Images to judge the model by in the run's card; None: those that validation_fraction holds
        out.

    Returns
    -------
    Training

    Raises
    ------
    StateError if there are no labels or too few images, or if the run collapsed, diverged or became
    NaN (the message has the likely remedy); ArgumentError, ShapeError, OutOfMemoryError, FileError,
    FormatError. A KeyboardInterrupt ends the run after the current step and is raised then: the
    model keeps what it learned, and the last checkpoint is kept.
    """
    scope = locals()
    given = {name: scope[name] for name in (*TRAIN, *LOSS) if scope[name] is not None}
    given |= {"augmentation": augmentation, "seed": seed}
    training, folder = training or Training(), None
    bound = None if collectives is None else Bound(collectives)
    with contextlib.nullcontext() if bound is None else bound.telling():
        if learning_rate == "auto":
            from ._tune import tune

            given["learning_rate"] = tune(
                model, data, verbose=verbose, collectives=collectives, **given
            ).learning_rate
        if collectives is not None and collectives.rank:
            # rank 0's folder, checkpoint and callbacks serve all ranks
            given["resume"], heard = None, []
        else:
            heard = ([ProgressBar()] if verbose else []) + listed(callbacks)
        struct = options_struct(given)
        if run is not None and is_first(bound):
            from ._run import Run

            folder = Run(run, resume=bool(resume))
            struct = options_struct(folder.begin(model, data, given))
            training.run = folder.path
            heard.insert(1 if verbose else 0, folder)
    if folder is None:
        return _run(model, data, struct, heard, bound, training)
    # It keeps what was learned however the run ends.
    try:
        _run(model, data, struct, heard, bound, training)
    except BaseException:
        if training.steps:
            folder.finish(model, data, assess=False)
        else:
            folder.discard()
        raise
    folder.finish(model, data, test)
    return training


def options_struct(options: dict[str, Any]) -> _generated.TrainOptions:
    """Returns the options of a run as the library takes them."""
    given = {name: it for name, it in options.items() if it is not None}
    struct: _generated.TrainOptions = build(
        TRAIN | TRAIN_DATA,
        **{name: it for name, it in given.items() if name in TRAIN},
        seed=given.get("seed"),
    )
    loss = build(LOSS, **{name: it for name, it in given.items() if name in LOSS})
    first, second = _options.augmentations(given.get("augmentation"))
    struct.loss = ctypes.pointer(loss)
    if first is not None:
        struct.augmentation = ctypes.pointer(first)
    if second is not None:
        struct.augmentation_second = ctypes.pointer(second)
    return struct


def validation_split(data: Dataset, options: dict[str, Any]) -> tuple[Dataset, Dataset | None]:
    """Returns the images that a run with these options trains on, and those that it holds out, if
    any; of joined images those that this process has.
    """
    fraction = options.get("validation_fraction")
    fraction = TRAIN["validation_fraction"].default if fraction is None else fraction
    if not fraction or len(data) < 2 or (data.labels is None and not by_targets(options)):
        return data.own_part(), None
    training, validation = (it.own_part() for it in data.split(fraction, seed_number(options)))
    return training, validation if len(validation) else None


def seed_number(options: dict[str, Any]) -> int:
    """Returns the seed of a run with these options."""
    return int(MODEL_DATA["seed"].default if options.get("seed") is None else options["seed"])


class Trainer:
    """A trainer of the library, which callbacks may use."""

    def __init__(
        self,
        model: Model,
        data: Dataset,
        options: _generated.TrainOptions,
        bound: Bound | None = None,
    ) -> None:
        handle = _abi.TrainerHandle()
        self.check = check if bound is None else bound.check
        self.check(
            lib.supcon_trainer_create_distributed(
                context(model.n_jobs, model.memory_limit),
                model._handle,
                data._handle,
                ctypes.byref(options),
                None if bound is None else ctypes.byref(bound.struct),
                ctypes.byref(handle),
            )
        )
        self.handle = own(self, handle, lib.supcon_trainer_free)
        self.objects = (model, data, options, bound)

    @property
    def batch_size(self) -> int:
        """The number of images per step, over all ranks."""
        return int(lib.supcon_trainer_batch_size(self.handle))

    def run(self, hear: Any) -> None:
        """Trains, and tells `hear`, a callback of the library, of it."""
        self.check(lib.supcon_trainer_run(self.handle, hear, None))

    def cancel(self) -> None:
        """Asks the run to stop after the step at hand."""
        lib.supcon_trainer_cancel(self.handle)

    def scale_rate(self, factor: float) -> None:
        """Multiplies the learning rate of all later steps; checkpoints keep the factor."""
        check(lib.supcon_trainer_scale_rate(self.handle, _convert.real("factor", factor)))

    def save(self, path: PathLike) -> None:
        """Writes the model as it is now."""
        check(lib.supcon_trainer_save(self.handle, _convert.path("path", path)))

    def keep(self) -> None:
        """Makes the model as it is now the result of the run."""
        check(lib.supcon_trainer_keep(self.handle))


def _run(
    model: Model,
    data: Dataset,
    options: _generated.TrainOptions,
    callbacks: list[Callable[[Event], object]],
    bound: Bound | None,
    training: Training,
) -> Training:
    def hear(pointer: Any, _: object) -> int:
        event = _event(pointer.contents)
        if event.kind == "step":
            training.steps += 1
        elif event.kind == "epoch":
            training.history.append(event)
        for callback in callbacks:
            if callback(event):
                training.stopped = True
        return int(training.stopped)

    begun: list[Callback] = []
    trainer, runs = None, False
    try:
        with interruptible(lambda: None):
            trainer = Trainer(model, data, options, bound)
        training.memory = lib.supcon_trainer_memory(trainer.handle)
        params = {"epochs": options.epochs, "batch_size": trainer.batch_size}
        for hook in callbacks:
            if isinstance(hook, Callback):
                hook.begin(model, trainer, params)
                begun.append(hook)
        runs = True
        with interruptible(trainer.cancel):
            trainer.run(_abi.TrainCallback(guarded(hear)))
    except CanceledError as error:
        # at other ranks than the first: rank 0's callback, or an interrupt there
        training.stopped = training.stopped or (error.rank == 0 and not is_first(bound))
        if not training.stopped:
            raise
    except BaseException as error:
        # NaN, of which all ranks hear, and which a callback of rank 0 may accept; a StateError of
        # a callback's own has no rank
        ends_all = isinstance(error, StateError) and error.rank is not None
        if bound is not None and bound.struct.world > 1:
            if ends_all:
                training.stopped = bool(bound.first(training.stopped))
            elif trainer is not None and not runs:
                _cancel(trainer, error)
        if not (isinstance(error, StateError) and training.stopped):
            raise
    finally:
        for hook in begun:
            hook.end()
    return training


def is_first(bound: Bound | None) -> bool:
    """Tells whether this process is rank 0, or alone."""
    return bound is None or bound.struct.rank == 0


def _cancel(trainer: Trainer, error: BaseException) -> None:
    """Ends a run that does not begin, which the other ranks wait for, because of an exception."""
    trainer.cancel()
    with contextlib.suppress(SupConError):
        try:
            trainer.run(_abi.TrainCallback(lambda event, _: 1))
        except CanceledError as canceled:
            error.rank = canceled.rank  # type: ignore[attr-defined]
