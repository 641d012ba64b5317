"""Studies: what is chosen by which images, what a report says, and that a stopped study goes on.
One small run trains; the rest is arithmetic.
"""

import dataclasses
import json
import math

import numpy as np
import pytest

import supcon
from supcon import _abi, studies
from supcon.studies import _data, _report, _runner, _study

pytest.importorskip("sklearn")
SETTINGS = _study.Settings(epochs=1, seeds=2, width=4, batch_size=32, per_class=15, threads=1)


def outcome(name, top1, grid=({},), **more):
    arm = _study.Arm(name, {}, grid=grid, **more)
    return _runner.Outcome(
        arm,
        grid[0],
        np.array(top1),
        {"top1": np.array(top1), "ece": 1 - np.array(top1)},
        [],
        60.0,
        1000,
    )


@pytest.mark.parametrize("name", studies.NAMES)
def test_every_study_is_whole(name):
    """Its arms have names of their own, options that the library has, and claims that speak of
    arms.
    """
    study = studies.find(name)
    assert study.name == name and study.title and study.paper
    try:
        study.check()
    except supcon.UnsupportedError as error:
        assert name in str(error)
        pytest.skip("the library lacks an option that this study needs")
    arms = study.arms(SETTINGS)
    names = [it.name for it in arms]
    assert len(set(names)) == len(names) >= 2
    known = set(_runner.TRAIN) | set(_runner.LOSS) | {"augmentation", "from"}
    for arm in arms:
        assert all(set(it) <= known for it in (arm.options, arm.second or {}, *arm.grid)), arm
    for claim in study.claims(SETTINGS):
        assert claim.first in names and claim.second in names and claim.measure in _study.MEASURES
    assert set(study.measures) <= set(_study.MEASURES)


def test_the_validation_images_choose_and_the_test_is_touched_once(tmp_path, monkeypatch):
    """Of two candidates one cannot learn: it is not chosen, and only the chosen one's models see
    the test images.
    """
    grid = ({"learning_rate": 1e-9}, {"learning_rate": 0.05})
    study = _study.Study(
        "tiny",
        "A small study",
        "The paper says so.",
        lambda settings: [
            _study.Arm(
                "cross-entropy",
                _study.sgd(settings, objective="cross_entropy", epochs=12, batch_size=15),
                grid=grid,
            ),
            _study.Arm("SupCon", _study.sgd(settings)),
        ],
        lambda settings: [_study.Claim("alike", "SupCon", "cross-entropy", 0, margin=1.0)],
    )
    seen, trained = [], []
    measure, train = _runner.measure, _runner.train

    def watched(model, parts, settings):
        seen.append(parts)
        return measure(model, parts, settings)

    def stopped(*arguments, **options):
        trained.append(options)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return train(*arguments, **options)

    monkeypatch.setattr(_runner, "measure", watched)
    monkeypatch.setattr(_runner, "train", stopped)
    make = lambda: _runner.Runner(study, SETTINGS, str(tmp_path), lambda text: None)
    with pytest.raises(KeyboardInterrupt):
        make().run()
    assert len(json.loads((tmp_path / "tiny.json").read_text())["runs"]) == 2
    runner = make()
    found = runner.run()
    assert len(trained) == 2 + 1 + 4, "what was done is not done again"
    assert found[0].chosen == {"learning_rate": 0.05} and len(seen) == 4
    runs, tests = runner.done["runs"], runner.done["tests"]
    assert len(runs) == 6 and sorted(tests) == sorted(it for it in runs if "1e-09" not in it)
    for parts in seen:
        assert (
            len(parts.train) == 150
            and len(parts.validation) in range(130, 140)
            and len(parts.test) == 449
        )
    # the numbers are the models'
    key = runner.key(found[1].arm, 0, 1)
    model, parts = supcon.load(runner.model_path(key)), runner.parts(1)
    share = lambda data: (model.embed(data, "logits").argmax(1) == data.labels).mean()
    assert tests[key]["top1"] == pytest.approx(share(parts.test)) and runs[key][
        "validation"
    ] == pytest.approx(share(parts.validation))

    text = _report.text(runner, found, "supcon study tiny", None)
    mean, deviation = (
        100 * found[1].measures["top1"].mean(),
        100 * found[1].measures["top1"].std(ddof=1),
    )
    assert (
        f"| SupCon | {mean:.2f} ± {deviation:.2f} |" in text
        and "learning_rate 0.05" in text
        and "    supcon study tiny" in text
    )
    make().run()
    assert len(trained) == 7 and len(seen) == 4
    with pytest.raises(supcon.ArgumentError, match="other settings"):
        _runner.Runner(study, dataclasses.replace(SETTINGS, seeds=3), str(tmp_path))


def test_verdicts():
    better, worse, equal = (
        outcome("a", [0.90, 0.91, 0.92]),
        outcome("b", [0.80, 0.81, 0.82]),
        outcome("c", [0.90, 0.912, 0.918]),
    )
    judge = lambda first, second, **more: _report.judge(
        _study.Claim("claim", first, second, 1.0, **more), [better, worse, equal]
    )
    assert judge("a", "b").endswith("| agrees |") and "| +1 | +10.00 ± " in judge("a", "b")
    assert judge("b", "a").endswith("| **contradicts** |") and judge("a", "c").endswith(
        "| undecided |"
    )
    # the error of 1000 test images, where the seeds agree to the digit
    error = 100 * math.sqrt((0.91 * 0.09 + 0.81 * 0.19) / 1000)
    assert f"± {error:.2f} |" in judge("a", "b")
    assert judge("b", "a", measure="ece").endswith("| **contradicts** |") and judge(
        "a", "b", measure="ece"
    ).endswith("| agrees |")
    assert judge("a", "b", margin=5.0).endswith("| contradicts |") and judge(
        "a", "c", margin=5.0
    ).endswith("| agrees |")
    failed = outcome("d", [np.nan, np.nan, np.nan])
    assert "failed | undecided" in _report.judge(_study.Claim("claim", "a", "d"), [better, failed])
    assert (
        _report.spread("top1", np.array([0.5, np.nan])) == "50.00 (1 failed)"
        and _report.spread("top1", np.array([np.nan])) == "failed"
    )


def test_corruption_errors_are_shares_of_cross_entropys():
    study = studies.find("corruptions")
    arms, names = study.arms(SETTINGS), [it.word for it in _abi.Corruption]

    def measured(arm, clean, errors):
        measures = {
            f"{name} {severity}": np.array(errors(name))
            for name in names
            for severity in range(1, 6)
        }
        return _runner.Outcome(
            arm,
            {},
            np.zeros(2),
            measures | {"top1": 1 - np.array(clean), "corrupted": np.full(2, 0.5)},
            [],
            0.0,
            100,
        )

    # Two seeds each. Cross-entropy: clean error 0.2, corrupted 0.4, but fog costs nothing; ours:
    # clean 0.1, corrupted 0.3 and 0.2.
    base = measured(arms[0], [0.1, 0.3], lambda name: [0.2, 0.2] if name == "fog" else [0.3, 0.5])
    ours = measured(arms[1], [0.1, 0.1], lambda name: [0.3, 0.2])
    study.finish([base, ours])
    assert base.measures["mce"].mean() == pytest.approx(1) and ours.measures[
        "mce"
    ] == pytest.approx([(14 * 0.75 + 1.5) / 15, (14 * 0.5 + 1) / 15])
    assert ours.measures["relative_mce"] == pytest.approx([1, 0.5])
    assert study.summary([base, ours])[-1].endswith("less than 1 point of accuracy: fog.")


def test_plots(tmp_path):
    pytest.importorskip("matplotlib")
    numeric = _study.Study("n", "N", "", lambda settings: [], axis="epochs", logarithmic=True)
    assert _report.draw(
        numeric,
        [outcome("a", [0.5, 0.6], x=1.0, paper={"top1": 70.0}), outcome("b", [np.nan, 0.7], x=2.0)],
        str(tmp_path / "n.png"),
    )
    assert _report.draw(
        dataclasses.replace(numeric, axis=None),
        [outcome("a", [0.5]), outcome("b", [np.nan])],
        str(tmp_path / "m.png"),
    )
    boxes = dataclasses.replace(numeric, group=lambda arm: arm.name[0])
    assert _report.draw(
        boxes,
        [outcome("a1", [0.5]), outcome("a2", [np.nan]), outcome("b1", [0.7])],
        str(tmp_path / "b.png"),
    )
    assert all((tmp_path / it).read_bytes()[:4] == b"\x89PNG" for it in ("n.png", "m.png", "b.png"))


def test_plots_have_a_title_a_legend_error_bars_and_two_scales(tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    kept = []
    monkeypatch.setattr(plt, "close", kept.append)
    study = _study.Study("n", "Numbers", "", lambda settings: [], axis="n")
    arms = [
        outcome("a", [0.5, 0.6], x=1.0, paper={"top1": 70.0}),
        outcome("b", [0.6, 0.7], x=2.0, paper={"top1": 75.0}),
    ]
    assert _report.draw(study, arms, str(tmp_path / "n.png"))
    (figure,) = kept
    ours, theirs = figure.axes
    assert study.title in figure.get_suptitle()
    words = {it.get_text() for it in figure.legends[0].get_texts()}
    assert words == {"a seed", "mean ± standard deviation", "the paper"}
    bars = [it for it in ours.containers if it.has_yerr]
    ends = bars[0].lines[2][0].get_segments()[0][:, 1]  # 55 ± the deviation of 50 and 60
    np.testing.assert_allclose(ends, [55 - 50**0.5, 55 + 50**0.5])
    assert ours.get_ylim() != theirs.get_ylim()


def test_data(tmp_path, shapes):
    train, test = _data.load("digits", None)
    assert len(train) + len(test) == 1797 and train.class_names == test.class_names == [
        str(it) for it in range(10)
    ]
    assert len(_data.load("digits", None)[1]) == len(test)
    some = _data.some(test, np.array([3, 7]))
    assert (
        some.class_names == ["3", "7"]
        and set(some.labels) == {0, 1}
        and len(some) == np.isin(test.labels, [3, 7]).sum()
    )
    np.save(tmp_path / "x.npy", shapes[0])
    np.save(tmp_path / "y.npy", shapes[1])
    spec = f"npy:{tmp_path}/x.npy,{tmp_path}/y.npy"
    assert len(_data.load(spec, spec)[0]) == 96
    for data, other, words in (
        (spec, None, "--test"),
        (spec, f"npy:{tmp_path}/x.npy", "no labels"),
        ("digitz", "digitz", "digitz"),
    ):
        with pytest.raises((ValueError, OSError), match=words):
            _data.load(data, other)


def test_transfer_keeps_classes_apart():
    from supcon.studies import transfer

    parts = transfer.prepare(SETTINGS, *_data.load("digits", None), 0)
    assert parts.pretrain.class_names == list(
        "01234"
    ) and parts.train.class_names == parts.test.class_names == list("56789")
    assert np.bincount(parts.train.labels).tolist() == [15] * 5
    arm = next(it for it in transfer.arms(SETTINGS) if it.name == "from scratch")
    model = transfer.fit(SETTINGS, arm, arm.options | {"learning_rate": 0.05}, parts, 0)
    assert model.class_names == list("56789")
