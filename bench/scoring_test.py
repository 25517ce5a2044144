"""Tests of scoring.py against definitions written out in full."""

import math
import random
import unittest

import scoring


def pair_auc(labels, scores):
    pairs = [(p, n) for p, y in zip(scores, labels) if y for n, z in zip(scores, labels) if not z]
    return sum(1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs) / len(pairs)


class ScoringTest(unittest.TestCase):
    def test_auc_counts_pairs_with_ties_half(self):
        generator = random.Random(1)
        for levels in (2, 5, 1000):
            labels = [1, 0] + [generator.randrange(2) for _ in range(200)]
            scores = [generator.randrange(levels) / levels for _ in labels]
            self.assertAlmostEqual(scoring.auc(labels, scores), pair_auc(labels, scores), places=12)

    def test_one_class_has_no_order(self):
        self.assertEqual(scoring.auc([1, 1], [0.1, 0.9]), 0.5)

    def test_log_loss(self):
        self.assertAlmostEqual(scoring.log_loss([1, 0], [0.8, 0.4]), -(math.log(0.8) + math.log(0.6)) / 2)
        self.assertTrue(math.isfinite(scoring.log_loss([1, 0], [0.0, 1.0])))

    def test_refuses_what_is_no_prediction(self):
        for probabilities in ([0.5], [0.5, 1.5], [0.5, math.nan]):
            with self.assertRaises(ValueError):
                scoring.score([1, 0], probabilities)


if __name__ == "__main__":
    unittest.main()
