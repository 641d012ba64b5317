"""Runs: events, stopping, exceptions, interrupts, exact resume."""

import inspect
import os
import signal
import threading

import numpy as np
import pytest

import supcon
from supcon import _options, _training


def test_events_and_history(shapes, small):
    heard = []
    options = small | dict(validation_fraction=0.25, callbacks=heard.append)
    encoder = supcon.SupConEncoder(**options).fit(*shapes)
    steps = [it for it in heard if it.kind == "step"]
    assert [(it.epoch, it.step) for it in steps] == [
        (epoch, step) for epoch in (1, 2) for step in range(1, steps[0].steps + 1)
    ]
    assert all(np.isfinite(it.loss) and it.learning_rate > 0 for it in steps)
    epochs = [it for it in heard if it.kind == "epoch"]
    assert [it.epoch for it in epochs] == [1, 2] and all(it.epochs == 2 for it in epochs)
    assert list(encoder.history_["loss"]) == [it.loss for it in epochs]
    assert all(
        0 <= it.knn_accuracy <= 1 and np.isfinite(it.alignment) and np.isfinite(it.uniformity)
        for it in epochs
    )
    assert epochs[0].loss == pytest.approx(
        np.mean([it.loss for it in steps[: steps[0].steps]]), rel=1e-6
    )


def test_a_callback_that_returns_true_ends_the_run(shapes, small):
    encoder = supcon.SupConEncoder(
        **small | dict(epochs=50, callbacks=lambda it: it.kind == "step" and it.step == 3)
    ).fit(*shapes)
    assert len(encoder.history_["epoch"]) == 0 and encoder.transform(shapes[0]).shape == (96, 32)


def test_an_exception_of_a_callback_comes_out(shapes, small, stop):
    def fails(event):
        raise stop(f"at step {event.step}")

    encoder = supcon.SupConEncoder(**small | dict(callbacks=fails))
    with pytest.raises(stop, match="at step 1") as raised:
        encoder.fit(*shapes)
    assert any(it.name == "fails" for it in raised.traceback) and encoder.model_.embedding_dim == 32
    supcon.SupConEncoder(**small | dict(epochs=1)).fit(*shapes)  # nothing is left over


@pytest.mark.parametrize("way", ["raised in the callback", "sent to the process"])
def test_keyboard_interrupt(way, shapes, small, tmp_path):
    def interrupt(event):
        if event.kind == "step" and event.epoch == 2:
            if way == "raised in the callback":
                signal.raise_signal(signal.SIGINT)
            elif event.step == 1:
                threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()

    before = signal.getsignal(signal.SIGINT)
    encoder = supcon.SupConEncoder(
        **small | dict(epochs=10_000, callbacks=interrupt, checkpoint_folder=str(tmp_path))
    )
    with pytest.raises(KeyboardInterrupt):
        encoder.fit(*shapes)
    assert signal.getsignal(signal.SIGINT) is before
    assert len(encoder.history_["epoch"]) >= 1 and encoder.transform(shapes[0]).shape == (96, 32)
    assert (tmp_path / "last.supcon").is_file() and not [
        it for it in os.listdir(tmp_path) if "tmp" in it or it.startswith(".")
    ]


def test_a_handler_that_raises_nothing_stops_nothing(shapes, small):
    heard = []

    def send(event):
        if event.kind == "step" and event.step == 1:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        encoder = supcon.SupConEncoder(**small | dict(callbacks=send)).fit(*shapes)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(heard) == 2 and len(encoder.history_["epoch"]) == 2


def test_training_in_another_thread_with_a_free_gil(shapes, small):
    ticks, result = [0], []
    thread = threading.Thread(
        target=lambda: result.append(supcon.SupConEncoder(**small | dict(epochs=5)).fit(*shapes))
    )
    thread.start()
    while thread.is_alive():
        ticks[0] += 1
        thread.join(0.001)
    assert len(result) == 1 and ticks[0] > 10


def test_resume_is_exact(shapes, small, tmp_path, stop):
    images, labels = shapes
    options = small | dict(epochs=4, validation_fraction=0.1)
    whole = supcon.SupConEncoder(**options).fit(images, labels)
    folder = str(tmp_path / "run")
    os.mkdir(folder)

    def after_two(event):
        if event.kind == "step" and event.epoch == 3:
            raise stop

    with pytest.raises(stop):
        supcon.SupConEncoder(**options, checkpoint_folder=folder, callbacks=after_two).fit(
            images, labels
        )
    rest = supcon.SupConEncoder(**options, checkpoint_folder=folder, resume=True).fit(
        images, labels
    )
    assert list(rest.history_["epoch"]) == [3, 4]
    assert rest.model_.to_bytes() == whole.model_.to_bytes()


def test_low_level_and_options(shapes, small):
    data = supcon.Dataset.from_images(*shapes)
    model = supcon.Model(width=4, channels=1, image_size=12, precision="f32")
    found = supcon.train(
        model,
        data,
        epochs=2,
        batch_size=32,
        schedule="step",
        milestones=[1],
        gamma=0.5,
        warmup_steps=0,
        reference_batch=0,
        learning_rate=0.01,
        validation_fraction=0,
        augmentation={"kind": "crop_flip", "crop_scale_min": 0.6},
        seed=1,
    )
    assert (
        found.memory > 0
        and not found.stopped
        and [it.learning_rate for it in found.history] == pytest.approx([0.01, 0.005])
    )
    for options, error, words in (
        (dict(epoch=2), TypeError, "epoch"),
        (dict(epochs=0), ValueError, "epochs"),
        (dict(epochs="2"), TypeError, "'2'"),
        (dict(milestones=[2**40]), ValueError, "milestones"),
        (dict(schedule="slow"), ValueError, "cosine"),
        (dict(batch_size=1000), supcon.SupConError, "1000"),
        (dict(temperature=-1), ValueError, "temperature"),
        (dict(validation_fraction=2), ValueError, "validation_fraction"),
        (dict(reduction="sum"), ValueError, "reduction|mean"),
    ):
        with pytest.raises(error, match=words):
            supcon.train(model, data, **options)


def test_the_librarys_notes_go_to_logging(shapes, small, caplog):
    supcon.SupConEncoder(**small).fit(shapes[0], np.zeros(96))
    assert any(
        it.name == "supcon" and it.levelname == "WARNING" and "one class" in it.message
        for it in caplog.records
    )


def test_progress_is_written(shapes, small, capsys):
    supcon.SupConEncoder(**small | dict(verbose=1)).fit(*shapes)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and "crops of at least" in lines[0]  # what was chosen
    assert lines[2].startswith("epoch 2/2  loss ")
    assert "images/s" in lines[2] and "left" in lines[2]


def test_a_terminal_gets_a_bar():
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    from supcon._progress import Count, Progress, clock

    terminal = Terminal()
    progress = Progress(terminal, interval=0)
    event = _training.Event(
        "step", 1, 2, 5, 10, 3.25, 0.1, 1234.0, 61.0, *[float("nan")] * 4, 0, ""
    )
    progress(event)
    assert (
        "epoch 1/2 " + "█" * 12 + "·" * 12 + " 5/10  loss 3.2500  1,234 images/s  1:01 left"
        in terminal.getvalue()
    )
    progress.close()
    assert terminal.getvalue().endswith("\n")
    Count("embedding", terminal)(50, 100)
    assert "50/100" in terminal.getvalue()
    assert [clock(it) for it in (0, 59.6, 3723, float("nan"), float("inf"))] == [
        "0:00",
        "1:00",
        "1:02:03",
        "?",
        "?",
    ]


def test_a_log_gets_a_line_within_ten_seconds(monkeypatch):
    """Where there is no terminal, a long first epoch is not silent: how long the run will take is
    said within ten seconds, and then once a minute.
    """
    import io

    from supcon import _progress

    now = [100.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    log = io.StringIO()
    progress = _progress.Progress(log)
    for second in range(120):
        now[0] = 100.0 + second
        event = _training.Event(
            "step", 1, 2, second, 999, 3.25, 0.1, 10.0, 61.0, *[float("nan")] * 4, 0, ""
        )
        progress(event)
        if second == 10:
            assert log.getvalue().count("1:01 left\n") == 1
    assert log.getvalue().count("\n") == 2 and "\r" not in log.getvalue()


def test_one_table_of_options():
    """The estimators' constructors have the options of the tables, and the words that they default
    to are the library's.
    """
    tables = _options.MODEL | _options.TRAIN | _options.LOSS
    for estimator in (supcon.SupConEncoder, supcon.SupConClassifier):
        parameters = inspect.signature(estimator.__init__).parameters
        known = tables | (_options.CLASSIFIER if estimator is supcon.SupConClassifier else {})
        others = {
            "self",
            "augmentation",
            "preset",
            "init",
            "image_size",
            "mean",
            "std",
            "output",
            "normalize",
            "random_state",
            "n_jobs",
            "memory_limit",
            "verbose",
            "callbacks",
            "class_weight",
            "collectives",
        }
        assert set(parameters) == set(known) | others
        # None, so that what is given can be told from what a preset may say
        assert all(
            parameters[it].default is None
            for it in (*known, "augmentation", "image_size", "mean", "std")
        )
        for name, option in {**known, **_options.AUGMENTATION, **_options.EMBED}.items():
            if name in parameters and parameters[name].default is not None:
                assert parameters[name].default == option.default, name
            if name in parameters and name in known:
                assert f"\n{name} : " in supcon.SupConEncoder.__doc__ + estimator.__doc__
        assert "{options}" not in estimator.__doc__
    for name, parameter in inspect.signature(supcon.supcon_loss).parameters.items():
        option = (_options.LOSS | _options.LOSS_ALONE).get(name)
        assert option is None or parameter.default == option.default, name


def test_every_field_of_the_options_is_reachable():
    from supcon import _generated

    tables = {
        _generated.ModelOptions: _options.MODEL | _options.MODEL_DATA,
        _generated.TrainOptions: _options.TRAIN,
        _generated.LossOptions: _options.LOSS | _options.LOSS_ALONE,
        _generated.AugmentationOptions: _options.AUGMENTATION,
        _generated.ClassifierOptions: _options.CLASSIFIER,
        _generated.EmbedOptions: _options.EMBED,
        _generated.EvaluateOptions: _options.EVALUATE,
        _generated.CalibrationOptions: _options.CALIBRATION,
        _generated.OodOptions: _options.OOD,
        _generated.LoadOptions: _options.LOAD,
        _generated.DatasetOptions: _options.DATASET,
    }
    apart = {
        "struct_size",
        "mean",
        "std",
        "has_mean_std",
        "milestone_count",
        "unfreeze_epoch_count",
        "image_size_schedule_count",
        "loss",
        "augmentation",
        "augmentation_second",
        "seed",
        "copy",
        "allow_empty",  # what ImageFolder asks for by itself
        "progress",
        "user_data",
        "reserved",
    }
    for struct, table in tables.items():
        assert {field for field, _ in struct._fields_} - apart == {
            it.field for it in table.values()
        } - apart, struct


@pytest.mark.parametrize(
    "options",
    [
        dict(positives_cap=2),
        dict(queue_mode="positives_and_negatives", queue_size=50),
        dict(queue_mode="negatives", queue_size=50),
        dict(objective="cross_entropy", label_smoothing=0.1),
        dict(objective="cross_entropy", mixup_alpha=0.3),
        dict(objective="cross_entropy", cutmix_alpha=1),
        dict(objective="max_margin", margin=3),
    ],
)
def test_options_of_losses_have_an_effect(options, shapes, small):
    plain = {"objective": "cross_entropy"} if options.get("objective") else {}
    runs = [
        supcon.SupConClassifier(**small | dict(epochs=1) | it).fit(*shapes)
        for it in (options, plain, options)
    ]
    losses = [it.history_["loss"][0] for it in runs]
    assert losses[0] != losses[1] and losses[0] == losses[2] and np.isfinite(losses[0])
    assert set(runs[0].predict(shapes[0])) <= set(shapes[1])
    # A positive from another image, τ = 1: N-pairs.
    if "positives_cap" in options:
        supcon.SupConEncoder(
            **small | dict(epochs=1, views=1, images_per_class=8, positives_cap=1, temperature=1)
        ).fit(*shapes)


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(positives_cap=-1), "positives_cap"),
        (dict(mixup_alpha=0.2), "mixup_alpha"),
        (dict(objective="max_margin", margin=0), "margin"),
        (dict(queue_mode="some"), "'positives_and_negatives'"),
        (dict(queue_mode="negatives", queue_size=1), "queue_size"),
        (dict(label_smoothing=0.1), "label_smoothing"),
        (dict(objective="simclr", queue_mode="positives_and_negatives"), "queue_mode"),
        (dict(label_bandwidth=1.0), "label_bandwidth"),
        (dict(positives="kernel", label_bandwidth=-1.0), "label_bandwidth"),
        (dict(positives="some"), "'jaccard'"),
    ],
)
def test_options_of_losses_are_checked(options, words, shapes, small):
    with pytest.raises(ValueError, match=words):
        supcon.SupConEncoder(**small | options).fit(*shapes)


def test_fitting_a_classifier_can_be_stopped(shapes, small, stop):
    images, labels = shapes
    model = supcon.SupConEncoder(**small).fit(images, labels).model_
    heard = []
    model.fit_classifier(images, labels, progress=lambda *it: heard.append(it))
    assert (
        heard[0] == ("embed", 96, 96)
        and heard[1][0] == "fit"
        and [it[1] for it in heard[1:]] == list(range(1, len(heard)))
        and heard[1][2] == 200  # 96 images are too few to choose l2 by
    )
    assert model.classifier_l2 == np.float32(5 / 96)
    heard.clear()
    many = np.concatenate([images, images]), np.concatenate([labels, labels])
    model.fit_classifier(*many, progress=lambda *it: heard.append(it))
    assert heard[1][2] == 1200 and len(heard) > 4
    assert model.classifier_l2 in [np.float32(it / 192) for it in (0.05, 0.5, 5, 50)]
    model.fit_classifier(images, labels, l2=0.25)
    assert model.classifier_l2 == 0.25
    before = model.to_bytes()
    for phase in ("embed", "fit"):
        ends = lambda at, done, total, phase=phase: at == phase
        with pytest.raises(supcon.CanceledError):
            model.fit_classifier(images, labels * 3, progress=ends)

        def interrupt(at, done, total, phase=phase):
            if at == phase:
                signal.raise_signal(signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            model.fit_classifier(images, labels * 3, progress=interrupt)

        def fails(at, done, total, phase=phase):
            if at == phase:
                raise stop(f"in {at}")

        with pytest.raises(stop, match=f"in {phase}"):
            model.fit_classifier(images, labels * 3, progress=fails)
    assert model.to_bytes() == before


def test_a_new_classifier_for_other_classes(shapes, small):
    images, labels = shapes
    model = supcon.SupConClassifier(**small).fit(images, labels).model_
    data = supcon.Dataset.from_images(images, np.arange(96) % 3)
    options = dict(
        objective="cross_entropy",
        epochs=1,
        batch_size=16,
        validation_fraction=0,
        learning_rate=0.01,
    )
    with pytest.raises(supcon.ShapeError, match="reset_classifier"):
        supcon.train(model, data, **options)
    assert model.reset_classifier().classes == 0
    supcon.train(model, data, **options)
    assert model.classes == 3 and model.embed(images, "probabilities", False).shape == (96, 3)
    assert model.reset_classifier(7).class_names == list("0123456")
    with pytest.raises(supcon.ArgumentError, match="-1"):
        model.reset_classifier(-1)


def test_frozen_stages_in_int8(shapes):
    """The option does before the run what `quantize` on the training images does."""
    images, labels = shapes
    data = supcon.Dataset.from_images(images, labels)

    def embeddings(quantized=False, **options):
        model = supcon.Model(width=4, image_size=12, channels=1, precision="f32", seed=1)
        if quantized:
            model.quantize(data)
        given = dict(epochs=1, batch_size=16, validation_fraction=0, freeze_stages=3)
        supcon.train(model, data, **given | options)
        assert not model.int8
        return model.embed(images)

    try:
        found = embeddings(freeze_int8=True)
    except supcon.UnsupportedError as error:
        assert "int8 needs" in str(error)
        return
    np.testing.assert_array_equal(found, embeddings(quantized=True))
    assert np.abs(found - embeddings()).max() > 0


def test_fine_tuning(shapes, tmp_path):
    """The feature cache changes nothing where views are the same; lists and their errors."""
    images, labels = shapes
    data = supcon.Dataset.from_images(images, labels)

    def embeddings(**options):
        found = supcon.Model(width=4, image_size=12, channels=1, precision="f32", seed=1)
        supcon.train(found, data, **dict(epochs=3, batch_size=16, validation_fraction=0) | options)
        return found.embed(images)

    frozen = dict(freeze_stages=3, unfreeze_epochs=[2], layer_decay=0.7)
    fresh = embeddings(**frozen)
    np.testing.assert_array_equal(fresh, embeddings(**frozen, feature_cache=3))
    np.testing.assert_array_equal(
        fresh, embeddings(**frozen, feature_cache=3, feature_cache_folder=tmp_path)
    )
    assert not list(tmp_path.iterdir())
    for other in (
        dict(freeze_stages=3),
        dict(freeze_stages=3, unfreeze_epochs=[2]),
        dict(freeze_norm=True),
        dict(image_size_schedule=[8, 12]),
        dict(image_size_schedule=[8, 12], random_image_size=True),
    ):
        assert np.abs(fresh - embeddings(**other)).max() > 0
    for options, words in (
        (dict(freeze_stages=2, unfreeze_epochs=[3, 2]), "unfreeze_epochs"),
        (dict(image_size_schedule=[0]), "image_size_schedule is 0"),
        (dict(random_image_size=True), "has 0 different sizes"),
        (dict(feature_cache=2), "freeze_stages is 0"),
        (dict(freeze_int8=True), "freeze_stages is 0"),
    ):
        with pytest.raises(ValueError, match=words):
            embeddings(**options)
