#include "trainer/search/trial_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

namespace ps {
namespace {

using Point = SearchSpace::Point;

constexpr char kData[] = "data: {train: {files: [a.svm]}, split: {by: ratio, valid: .1}}\n";

SearchSpace Space(const std::string& vary, const std::string& data = kData) {
  const auto job = ParseJob(data + "tune: {search: {trials: 9, vary: {" + vary + "}}}\n", "job.yaml", {});
  EXPECT_TRUE(job.ok()) << job.status();
  return *SearchSpace::Make(*job);
}

std::vector<TriedPoint> Try(const SearchSpace& space, std::uint64_t seed, int trials,
                            const std::function<double(const Point&)>& loss) {
  std::vector<TriedPoint> tried;
  while (static_cast<int>(tried.size()) < trials) {
    const auto point = NextPoint(space, seed, tried);
    if (!point) break;
    tried.push_back({*point, loss(*point)});
  }
  return tried;
}

constexpr char kTypes[] =
    "model.type: [lr, gbdt], model.optimizer.alpha: [.1, .2, .3], train.passes: [1, 2], model.gbdt.max_leaves: [15, 31, 63]";
// Twelve rates and eight numbers of passes and more.
constexpr char kWide[] =
    "model.optimizer.alpha: [.01, .02, .03, .04, .05, .06, .07, .08, .09, .1, .2, .3], train.passes: [1, 2, 3, 4, 5, 6, 7, 8], "
    "model.optimizer.l1: [0, 1, 2, 3, 4, 5], model.optimizer.l2: [0, 1, 2, 3, 4, 5]";

TEST(TrialOrder, EveryJobIsTriedOnce) {
  const SearchSpace space = Space(kTypes);
  const auto tried = Try(space, 1, 1000, [](const Point& point) { return point[0] == 1 ? INFINITY : point[1]; });
  EXPECT_EQ(tried.size(), 9u);  // 3 x 2 of lr and 3 of gbdt
  EXPECT_EQ(CountJobs(space, 1000), 9u);
  EXPECT_EQ(CountJobs(space, 5), 5u);
  std::set<Point> distinct;
  for (const TriedPoint& one : tried) {
    EXPECT_EQ(space.Canonical(one.point), one.point);
    distinct.insert(one.point);
  }
  EXPECT_EQ(distinct.size(), tried.size());
  EXPECT_EQ(tried[0].point, (Point{0, 0, 0, 0}));
}

TEST(TrialOrder, ValuesThatAreOneToTreesAreTriedOnce) {
  const SearchSpace space = Space(
      "model.type: [gbdt], features: [[{op: rest}], [{op: rest}, {op: cross, of: [a, b]}], [{op: cross, of: [a, b]}]]",
      "data: {train: {files: [a.csv]}, format: csv, header: true, split: {by: ratio, valid: .1}}\n");
  EXPECT_EQ(CountJobs(space, 1000), 1u);
  EXPECT_EQ(Try(space, 1, 1000, [](const Point&) { return 0; }).size(), 1u);
}

TEST(TrialOrder, IsAFunctionOfSeedAndResults) {
  const SearchSpace space = Space(kWide);
  const auto loss = [](const Point& point) { return std::abs(point[0] - 7.0) + point[2]; };
  const auto first = Try(space, 3, 40, loss), again = Try(space, 3, 40, loss), other = Try(space, 4, 40, loss);
  bool same = true;
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].point, again[i].point);
    same &= first[i].point == other[i].point;
  }
  EXPECT_FALSE(same);
}

TEST(TrialOrder, NeighboursOfTheBestFindMoreThanChance) {
  const SearchSpace space = Space(kWide);  // 3,456 jobs
  const auto loss = [](const Point& point) {
    return std::abs(point[0] - 8.0) + std::abs(point[1] - 2.0) + std::abs(point[2] - 4.0) + std::abs(point[3] - 1.0);
  };
  double searched = 0, drawn = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    double best = INFINITY, best_drawn = INFINITY;
    const auto tried = Try(space, seed, 60, loss);
    for (const TriedPoint& one : tried) best = std::min(best, one.loss);
    // With results that say nothing, and no trial that could have neighbours, all points are drawn.
    const auto blind = Try(space, seed, 60, [](const Point&) { return INFINITY; });
    for (const TriedPoint& one : blind) best_drawn = std::min(best_drawn, loss(one.point));
    searched += best / 20;
    drawn += best_drawn / 20;
  }
  EXPECT_LT(searched, 1.0);
  EXPECT_GT(drawn, 2 * searched);
}

}  // namespace
}  // namespace ps
