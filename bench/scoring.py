"""Exact AUC and log loss of predicted probabilities: the one scorer for all systems under comparison."""

import math


def auc(labels, scores):
    """Area under the ROC curve with ties counted half; 0.5 when only one class is there."""
    order = sorted(range(len(scores)), key=scores.__getitem__)
    positives = sum(labels)
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        return 0.5
    rank_sum = 0.0
    begin = 0
    while begin < len(order):
        end = begin
        score = scores[order[begin]]
        tied_positives = 0
        while end < len(order) and scores[order[end]] == score:
            tied_positives += labels[order[end]]
            end += 1
        rank_sum += tied_positives * (begin + 1 + end) / 2
        begin = end
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def log_loss(labels, probabilities, floor=1e-15):
    """Mean negative log likelihood, in nats; probabilities are kept within [floor, 1 - floor]."""
    total = math.fsum(
        math.log(max(p, floor)) if y else math.log(max(1.0 - p, floor))
        for y, p in zip(labels, probabilities))
    return -total / len(labels)


def score(labels, probabilities):
    """Returns (AUC, log loss); every row must have a finite prediction."""
    if len(labels) != len(probabilities):
        raise ValueError(f"{len(probabilities)} predictions for {len(labels)} rows")
    if not all(0.0 <= p <= 1.0 for p in probabilities):
        raise ValueError("a prediction is not a probability")
    return auc(labels, probabilities), log_loss(labels, probabilities)
