"""Writes evaluation_reference.json: what scikit-learn fits to and guesses for rows made by a
formula that the Swift test shares.

    pip install scikit-learn && python make_evaluation_reference.py

Row r of class c = labels[r], column k:  f32(3 sin(1.3 k c + c) / (1 + noise) + 2 sin(0.7 i + 0.013
i² + phase)),  i = r · dimension + k.
"""

import json
import math
import pathlib

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

CASES = [
    dict(
        name="four classes",
        train=200,
        test=60,
        dimension=12,
        classes=4,
        l2=1e-4,
        k=7,
        temperature=0.1,
        noise=0.5,
    ),
    dict(
        name="seven classes, strong penalty",
        train=300,
        test=80,
        dimension=5,
        classes=7,
        l2=1e-2,
        k=20,
        temperature=0.5,
        noise=2.0,
    ),
    dict(
        name="three classes, wide",
        train=90,
        test=40,
        dimension=70,
        classes=3,
        l2=1e-3,
        k=5,
        temperature=0.05,
        noise=0.2,
    ),
]


def rows(labels, dimension, phase, noise):
    i = np.arange(len(labels) * dimension, dtype=np.float64).reshape(len(labels), dimension)
    c, k = labels[:, None].astype(np.float64), np.arange(dimension, dtype=np.float64)
    return (
        3 * np.sin(1.3 * k * c + c) / (1 + noise) + 2 * np.sin(0.7 * i + 0.013 * i * i + phase)
    ).astype(np.float32)


def fit(x, y, l2):
    """scikit-learn minimizes C Σ loss + ½ |W|²; ours is the mean loss + l2 |W|²."""
    model = LogisticRegression(
        C=1 / (2 * l2 * len(y)), tol=1e-12, max_iter=100000, solver="newton-cg"
    ).fit(x, y)
    log_probabilities = model.predict_log_proba(x)
    objective = -log_probabilities[np.arange(len(y)), y].mean() + l2 * (model.coef_**2).sum()
    return model, objective


def top(scores, y, count):
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return float((order == y[:, None]).any(1).mean())


results = []
for case in CASES:
    n, m = case["train"], case["test"]
    train_labels = (np.arange(n) * 7 + np.arange(n) // 11) % case["classes"]
    test_labels = (np.arange(m) * 5 + np.arange(m) // 3) % case["classes"]
    train = rows(train_labels, case["dimension"], 0.0, case["noise"])
    test = rows(test_labels, case["dimension"], 1.0, case["noise"])
    unit = lambda x: (
        x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    )
    a, b = unit(train), unit(test)

    linear, objective = fit(10 * a, train_labels, case["l2"])
    scale = 10 / math.sqrt((train.astype(np.float64) ** 2).sum(1).mean())
    scaled, scaled_objective = fit(scale * train.astype(np.float64), train_labels, case["l2"])
    neighbors = KNeighborsClassifier(
        case["k"],
        metric="cosine",
        algorithm="brute",
        weights=lambda d, case=case: np.exp((1 - d) / case["temperature"]),
    ).fit(a, train_labels)
    votes = neighbors.predict_proba(b)
    results.append(
        case
        | dict(
            train_labels=train_labels.tolist(),
            test_labels=test_labels.tolist(),
            first_row=train[0].astype(float).tolist(),
            objective=objective,
            weight=(10 * linear.coef_).ravel().tolist(),
            bias=(linear.intercept_ - linear.intercept_.mean()).tolist(),
            linear_predictions=linear.predict(10 * b).tolist(),
            linear_top5=top(linear.decision_function(10 * b), test_labels, 5),
            scaled_objective=scaled_objective,
            scaled_weight=(scale * scaled.coef_).ravel().tolist(),
            scaled_bias=(scaled.intercept_ - scaled.intercept_.mean()).tolist(),
            knn_predictions=neighbors.predict(b).tolist(),
            knn_top5=top(votes, test_labels, 5),
        )
    )

pathlib.Path(__file__).with_name("evaluation_reference.json").write_text(json.dumps(results))
for result in results:
    share = lambda key, of=result: np.mean(np.array(of[key]) == of["test_labels"])
    print(
        result["name"],
        "objective",
        result["objective"],
        "linear",
        share("linear_predictions"),
        "knn",
        share("knn_predictions"),
    )
