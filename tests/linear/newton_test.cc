#include "models/linear/newton.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "models/linear/group_l2.h"

namespace ps {
namespace {

constexpr std::uint32_t kBias = 1;

// Rows as the embedded trainer has them: padded, the bias first.
struct Rows {
  std::vector<std::uint32_t> ids, begin{0};
  std::vector<float> values, labels, weights;
  std::size_t columns = 2;

  void Add(const std::vector<std::pair<std::uint32_t, float>>& features, float label, float weight = 1) {
    const auto add = [this](std::uint32_t id, float value) {
      ids.push_back(id);
      values.push_back(value);
      columns = std::max<std::size_t>(columns, id + 1);
    };
    add(kBias, 1);
    for (const auto& [id, value] : features) add(id, value);
    while (ids.size() % kGroup != 0) add(kPaddingId, 0);
    begin.push_back(static_cast<std::uint32_t>(ids.size()));
    labels.push_back(label);
    weights.push_back(weight);
  }
  ResolvedRows View(std::size_t first, std::size_t count, bool with_values) const {
    return {ids.data(), with_values ? values.data() : nullptr, begin.data() + first, labels.data() + first, weights.data() + first, count};
  }
  RowMatrix Matrix(bool with_values = true) const {
    RowMatrix matrix;
    const std::size_t half = labels.size() / 2;
    matrix.Add(View(0, half, with_values));
    matrix.Add(View(half, labels.size() - half, with_values));
    matrix.Finish();
    return matrix;
  }
};

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// The gradient of the objective, from its definition.
std::vector<double> Gradient(const Rows& rows, const std::vector<double>& l2, const std::vector<double>& w) {
  std::vector<double> gradient(w.size());
  for (std::size_t r = 0; r < rows.labels.size(); ++r) {
    double margin = 0;
    for (std::uint32_t i = rows.begin[r]; i < rows.begin[r + 1]; ++i) margin += double{rows.values[i]} * w[rows.ids[i]];
    for (std::uint32_t i = rows.begin[r]; i < rows.begin[r + 1]; ++i)
      gradient[rows.ids[i]] += double{rows.weights[r]} * double{rows.values[i]} * (Sigmoid(margin) - double{rows.labels[r]});
  }
  for (std::size_t j = 0; j < w.size(); ++j) gradient[j] += l2[j] * w[j];
  return gradient;
}

// Two columns of categories and one of numbers, whose label depends on all of them.
Rows Mixed(int count, unsigned seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Rows rows;
  for (int r = 0; r < count; ++r) {
    const auto one = static_cast<std::uint32_t>(random() % 7), other = static_cast<std::uint32_t>(random() % 300);
    const double number = normal(random);
    const double margin = .3 * one - 1.2 + (other % 5 == 0 ? .8 : -.1) + .7 * number;
    rows.Add({{2 + one, 1}, {9 + other, 1}, {309, static_cast<float>(number) * scale}}, random() % 1000 < 1000 * Sigmoid(margin) ? 1 : 0,
             .5f + static_cast<float>(random() % 3));
  }
  return rows;
}

// What belongs to columns, by ids.
std::vector<double> ById(const Rows& rows, const RowMatrix& matrix, const std::vector<double>& of_columns) {
  std::vector<double> by_id(rows.columns);
  for (std::size_t j = 0; j < of_columns.size(); ++j) by_id[matrix.column_ids()[j]] = of_columns[j];
  return by_id;
}

std::vector<double> Solve(const RowMatrix& matrix, const std::vector<double>& l2, int threads, NewtonSolver::End* end = nullptr, bool stopped = false) {
  Crew crew(threads);
  std::atomic<bool> stop{stopped};
  NewtonSolver solver(&matrix, &crew, &stop);
  std::vector<double> weights(matrix.columns());
  const NewtonSolver::End here = solver.Minimize(l2, 1e-9, &weights);
  if (end != nullptr) *end = here;
  return weights;
}

TEST(Newton, EndsWhereTheGradientIsNothing) {
  const Rows rows = Mixed(5000, 1);
  const RowMatrix matrix = rows.Matrix();
  std::vector<double> l2(matrix.columns(), 2.0);
  l2[0] = 0;  // the bias
  NewtonSolver::End end;
  const std::vector<double> weights = ById(rows, matrix, Solve(matrix, l2, 2, &end));
  EXPECT_TRUE(end.converged);
  const std::vector<double> of_ids = ById(rows, matrix, l2);
  const std::vector<double> first = Gradient(rows, of_ids, std::vector<double>(weights.size())), last = Gradient(rows, of_ids, weights);
  const auto largest = [](const std::vector<double>& of) {
    double most = 0;
    for (const double one : of) most = std::max(most, std::fabs(one));
    return most;
  };
  EXPECT_LT(largest(last), 1e-4 * largest(first));
  EXPECT_LT(end.steps, 15);
}

// As other threads, which came to the keys in another order, would have given them.
TEST(Newton, IdsDoNotMatter) {
  const Rows rows = Mixed(4000, 8);
  Rows renamed = rows;
  for (std::uint32_t& id : renamed.ids) id = id <= kBias ? id : 400 - id;
  renamed.columns = 400;
  const RowMatrix matrix = rows.Matrix(), other = renamed.Matrix();
  const std::vector<double> l2(matrix.columns(), 1.0);
  EXPECT_EQ(Solve(matrix, l2, 1), Solve(other, l2, 1));
}

TEST(RowMatrix, ColumnsOfAnotherMatrixTakeWhatTheyHave) {
  Rows first, second;
  first.Add({{5, 1}, {9, 2}}, 1);
  second.Add({{9, 1}, {7, 1}, {5, 3}}, 0);
  const RowMatrix matrix = first.Matrix();
  RowMatrix like;
  like.AddLike(matrix, second.View(0, 1, true));
  double margin = 0;
  const double weights[] = {.5, 10, 100};  // the bias, 5, 9
  like.Multiply(0, 1, weights, &margin);
  EXPECT_EQ(margin, .5 + 100 + 30);
}

TEST(Newton, GivesTheSameBitsForAnyNumberOfThreads) {
  const Rows rows = Mixed(9000, 2);
  const RowMatrix matrix = rows.Matrix();
  const std::vector<double> l2(matrix.columns(), .5);
  const std::vector<double> one = Solve(matrix, l2, 1);
  EXPECT_EQ(one, Solve(matrix, l2, 2));
  EXPECT_EQ(one, Solve(matrix, l2, 5));
}

TEST(Newton, FindsTheSameMinimumFromElsewhere) {
  const RowMatrix matrix = Mixed(3000, 3).Matrix();
  const std::vector<double> l2(matrix.columns(), 1.0);
  const std::vector<double> from_zero = Solve(matrix, l2, 1);
  Crew crew(1);
  std::atomic<bool> stop{false};
  NewtonSolver solver(&matrix, &crew, &stop);
  std::vector<double> weights(matrix.columns(), 3.0);
  EXPECT_TRUE(solver.Minimize(l2, 1e-9, &weights).converged);
  for (std::size_t j = 0; j < weights.size(); ++j) EXPECT_NEAR(weights[j], from_zero[j], 2e-3) << j;
}

TEST(Newton, ValuesThatAreAllOneNeedNoRoomAndChangeNothing) {
  Rows rows;
  std::mt19937 random(5);
  for (int r = 0; r < 1000; ++r) rows.Add({{2 + random() % 20, 1}, {22 + random() % 5, 1}}, r % 3 == 0);
  const std::vector<double> l2(26, 1.0);
  EXPECT_EQ(Solve(rows.Matrix(true), l2, 1), Solve(rows.Matrix(false), l2, 1));
}

TEST(Newton, EndsOnWhatHasNoMinimumOrNoRowsOfOneKind) {
  Rows separable;
  for (int r = 0; r < 100; ++r) separable.Add({{2u + r % 2, 1}}, r % 2);
  NewtonSolver::End end;
  for (const double weight : Solve(separable.Matrix(), std::vector<double>(3), 1, &end)) EXPECT_TRUE(std::isfinite(weight));
  EXPECT_LT(end.objective, 1e-3);
  for (const float label : {0.f, 1.f}) {
    Rows constant;
    for (int r = 0; r < 3000; ++r) constant.Add({{2u + r % 3, 1}}, label);
    std::vector<double> l2(4, 1.0);
    l2[0] = 0;  // the bias, which has nowhere to end
    for (const double weight : Solve(constant.Matrix(), l2, 1, &end)) EXPECT_TRUE(std::isfinite(weight));
    EXPECT_TRUE(end.converged);
    EXPECT_LT(end.steps, 60);
  }
  Rows weightless;
  for (int r = 0; r < 100; ++r) weightless.Add({{2u + r % 3, 1}}, r % 2, 0);
  EXPECT_EQ(Solve(weightless.Matrix(), std::vector<double>(4, 1.0), 1, &end), std::vector<double>(4));
  EXPECT_TRUE(end.converged);
}

TEST(Newton, NumbersOfAnySizeDoNotUpsetIt) {
  for (const float scale : {1e-10f, 1e10f}) {
    const RowMatrix matrix = Mixed(3000, 4, scale).Matrix();
    Crew crew(1);
    std::atomic<bool> stop{false};
    NewtonSolver solver(&matrix, &crew, &stop);
    const std::vector<std::uint16_t> group(matrix.columns(), 0);
    std::vector<double> weights(matrix.columns());
    const std::vector<double> l2 = ColumnL2(group, std::vector<double>{1.0}, 1, matrix.MeanSquares());
    EXPECT_TRUE(solver.Minimize(l2, 1e-9, &weights).converged) << scale;
    const RowMatrix usual = Mixed(3000, 4).Matrix();
    const std::vector<double> there = Solve(usual, ColumnL2(group, std::vector<double>{1.0}, 1, usual.MeanSquares()), 1);
    EXPECT_NEAR(weights[1] * double{scale}, there[1], 1e-3) << scale;  // in every row, as the bias is
  }
}

TEST(Newton, StopsWhereItIs) {
  const RowMatrix matrix = Mixed(1000, 6).Matrix();
  NewtonSolver::End end;
  const std::vector<double> weights = Solve(matrix, std::vector<double>(matrix.columns(), 1.0), 1, &end, true);
  EXPECT_FALSE(end.converged);
  EXPECT_EQ(end.steps, 0);
  EXPECT_EQ(weights, std::vector<double>(matrix.columns()));
}

// One column of 50 values that decide the label, and one of 50 that have nothing to do with it.
TEST(GroupL2, ColumnsThatSayNothingAreHeldBackMore) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  std::vector<double> effect(50);
  for (double& one : effect) one = 1.5 * normal(random);
  Rows rows;
  for (int r = 0; r < 4000; ++r) {
    const auto says = static_cast<std::uint32_t>(random() % 50), silent = static_cast<std::uint32_t>(random() % 50);
    rows.Add({{2 + says, 1}, {52 + silent, 1}}, random() % 1000 < 1000 * Sigmoid(effect[says]) ? 1 : 0);
  }
  const RowMatrix matrix = rows.Matrix();
  std::vector<std::uint16_t> group;
  for (const std::uint32_t id : matrix.column_ids()) group.push_back(id == kBias ? kNoGroup : id < 52 ? 0 : 1);
  Crew crew(2);
  std::atomic<bool> stop{false};
  NewtonSolver solver(&matrix, &crew, &stop);
  std::vector<double> weights(matrix.columns());
  const std::vector<double> l2 = FitGroupL2(group, 2, matrix.MeanSquares(), &solver, &weights);
  // The variance of the effects is 2.25.
  EXPECT_GT(l2[0], .2);
  EXPECT_LT(l2[0], 1);
  EXPECT_GT(l2[1], 20);
  EXPECT_EQ(ColumnL2(group, l2, 2, matrix.MeanSquares())[1], 2 * l2[group[1]]);
  EXPECT_EQ(ColumnL2(group, l2, 2, matrix.MeanSquares())[0], 0);
}

TEST(SumLogLoss, IsThatOfTheRowsByTheirWeights) {
  Rows rows;
  rows.Add({{2, 2}}, 1, 3);
  rows.Add({}, 0, 1);
  Crew crew(1);
  const LossSum sum = SumLogLoss(rows.Matrix(), {.25, .5}, .1, &crew);
  EXPECT_NEAR(sum.loss, 3 * std::log1p(std::exp(-1.35)) + std::log1p(std::exp(.35)), 1e-11);
  EXPECT_EQ(sum.weight, 4);
}

}  // namespace
}  // namespace ps
