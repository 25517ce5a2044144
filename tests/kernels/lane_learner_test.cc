// K lanes in one are K runs of one lane, to the bit; and what becomes of lanes when their number
// changes.
#include "kernels/lane_learner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/kernels/random_rows.h"

namespace ps {
namespace {

std::vector<OptimizerParams> RandomSettings(int lanes, std::mt19937* random) {
  const auto pick = [&](std::initializer_list<float> of) {
    return of.begin()[(*random)() % of.size()];
  };
  std::vector<OptimizerParams> settings;
  for (int k = 0; k < lanes; ++k) {
    settings.push_back({Optimizer::kFtrl, pick({0.02f, 0.1f, 0.6f, 3.0f}), pick({0.1f, 0.5f, 1.0f}),
                        pick({0.0f, 0.1f, 1.0f}), pick({0.0f, 0.3f, 4.0f}),
                        pick({0.0f, 0.2f, 1.0f})});
  }
  return settings;
}

std::vector<float> StateOfLane(const std::vector<float>& state, int lanes, int lane) {
  std::vector<float> one;
  for (std::size_t i = 0; i < state.size(); i += 2 * lanes) {
    one.push_back(state[i + lane]);
    one.push_back(state[i + lanes + lane]);
  }
  return one;
}

std::vector<float> MarginsOfLane(const std::vector<float>& margins, int lanes, int lane) {
  std::vector<float> one;
  for (std::size_t i = lane; i < margins.size(); i += lanes) one.push_back(margins[i]);
  return one;
}

class LaneLearner : public ::testing::TestWithParam<int> {};

TEST_P(LaneLearner, EveryLaneIsARunOfItsOwn) {
  const int lanes = GetParam();
  std::mt19937 random(lanes);
  for (unsigned seed = 0; seed < 30; ++seed) {
    const std::uint32_t features = 600;
    const Rows rows = RandomRows(seed, seed == 0 ? 0 : 50, features, seed % 5 == 4 ? 400 : 45);
    const ResolvedRows view = rows.View(seed % 2 == 1, seed % 3 == 1);
    const std::vector<OptimizerParams> settings = RandomSettings(lanes, &random);
    std::vector<float> state((features + 1) * 2 * lanes), margins(rows.labels.size() * lanes);
    std::vector<float> plain_state = state, plain_margins = margins;
    std::vector<std::vector<float>> alone(lanes, std::vector<float>((features + 1) * 2));
    std::vector<float> alone_margins(rows.labels.size());
    for (int pass = 0; pass < 3; ++pass) {
      LearnRowLanes(settings, view, state.data(), margins.data());
      LearnRowLanesPlain(settings, view, plain_state.data(), plain_margins.data());
      ASSERT_EQ(state, plain_state);
      ASSERT_EQ(margins, plain_margins);
      for (int k = 0; k < lanes; ++k) {
        LearnRows(settings[k], view, alone[k].data(), alone_margins.data());
        ASSERT_EQ(StateOfLane(state, lanes, k), alone[k]) << "lane " << k;
        ASSERT_EQ(MarginsOfLane(margins, lanes, k), alone_margins) << "lane " << k;
      }
    }
    RowLaneMargins(settings, view, state.data(), margins.data());
    for (int k = 0; k < lanes; ++k) {
      RowMargins(settings[k], view, alone[k].data(), alone_margins.data());
      ASSERT_EQ(MarginsOfLane(margins, lanes, k), alone_margins) << "lane " << k;
    }
  }
}

TEST_P(LaneLearner, ALaneThatIsNoNumberLeavesTheOthersAlone) {
  const int lanes = GetParam();
  const Rows rows = RandomRows(7, 60, 100, 20);
  const ResolvedRows view = rows.View(true, false);
  std::mt19937 random(3);
  const std::vector<OptimizerParams> settings = RandomSettings(lanes, &random);
  std::vector<float> state(101 * 2 * lanes), margins(rows.labels.size() * lanes);
  std::vector<float> alone(101 * 2), alone_margins(rows.labels.size());
  const int broken = lanes / 2;  // with one lane it is that one
  for (int id = 1; id <= 100; ++id) state[id * 2 * lanes + broken] = std::nanf("");
  LearnRowLanes(settings, view, state.data(), margins.data());
  for (int k = 0; k < lanes; ++k) {
    if (k == broken) continue;
    std::fill(alone.begin(), alone.end(), 0.0f);
    LearnRows(settings[k], view, alone.data(), alone_margins.data());
    ASSERT_EQ(StateOfLane(state, lanes, k), alone) << "lane " << k;
    ASSERT_EQ(MarginsOfLane(margins, lanes, k), alone_margins) << "lane " << k;
  }
}

TEST_P(LaneLearner, KeptLanesGoOnAsTheyWere) {
  const int lanes = GetParam();
  if (lanes == 1) return;
  const Rows rows = RandomRows(21, 80, 200, 30);
  const ResolvedRows view = rows.View(true, true);
  std::mt19937 random(9);
  const std::vector<OptimizerParams> settings = RandomSettings(lanes, &random);
  std::vector<float> state(201 * 2 * lanes), margins(rows.labels.size() * lanes);
  LearnRowLanes(settings, view, state.data(), margins.data());
  std::vector<LaneOrigin> origins;
  std::vector<OptimizerParams> kept;
  for (int k = 1; k < lanes; k += 2) {
    origins.push_back({k, false});
    kept.push_back(settings[k]);
  }
  const std::vector<float> before = state;
  KeepLanes(settings, kept, origins, 201, state.data());
  state.resize(201 * 2 * kept.size());
  LearnRowLanes(kept, view, state.data(), margins.data());
  for (std::size_t k = 0; k < kept.size(); ++k) {
    std::vector<float> alone = StateOfLane(before, lanes, origins[k].from);
    std::vector<float> alone_margins(rows.labels.size());
    LearnRows(kept[k], view, alone.data(), alone_margins.data());
    ASSERT_EQ(StateOfLane(state, static_cast<int>(kept.size()), static_cast<int>(k)), alone);
  }
}

TEST_P(LaneLearner,
       ARebornLaneHasTheHistoryOfItsParentAndWeightsBetweenItsOwnAndTheOnesOfItsSetting) {
  const int lanes = GetParam();
  std::vector<OptimizerParams> settings(lanes), after;
  std::vector<LaneOrigin> origins;
  std::mt19937 random(5);
  for (int k = 0; k < lanes; ++k) {
    settings[k] = {Optimizer::kFtrl, 0.1f + 0.02f * k, 0.5f, 0.3f, 0, 0.2f};
  }
  for (int k = 0; k < lanes; ++k) {
    const int from = lanes - 1 - k;
    after.push_back(settings[from]);
    after.back().alpha *= k % 2 == 0 ? 1.5f : 0.5f;
    after.back().l2 += k % 3;
    origins.push_back({from, true});
  }
  // Entry i has been seen 4^i times.
  constexpr int kEntries = 10;
  std::vector<float> state(kEntries * 2 * lanes);
  for (int i = 0; i < kEntries; ++i) {
    for (int k = 0; k < lanes; ++k) {
      state[i * 2 * lanes + k] = i == 0 ? 0.2f : (random() % 2 ? 3.0f : -3.0f);
      state[i * 2 * lanes + lanes + k] = std::exp2(static_cast<float>(i) - 4);
    }
  }
  const std::vector<float> before = state;
  KeepLanes(settings, after, origins, kEntries, state.data());
  for (int k = 0; k < lanes; ++k) {
    const std::vector<float> parent = StateOfLane(before, lanes, origins[k].from);
    const std::vector<float> child = StateOfLane(state, lanes, k);
    OptimizerParams was = settings[origins[k].from], is = after[k];
    for (int i = 0; i < kEntries; ++i) {
      ASSERT_EQ(child[2 * i + 1], parent[2 * i + 1]);
      was.l1 = is.l1 = 0;
      const float kept = WeightOf(was, &parent[2 * i]), own = WeightOf(is, &parent[2 * i]);
      const float weight = WeightOf(is, &child[2 * i]);
      const float slack = 1e-5f * std::fabs(kept);
      EXPECT_GE(weight, std::min(kept, own) - slack);
      EXPECT_LE(weight, std::max(kept, own) + slack);
      const float part = (weight - own) / (kept - own);  // of the way to the weight of the parent
      if (i == 0) {
        EXPECT_LT(part, 0.1f);
      } else if (i == kEntries - 1) {
        EXPECT_GT(part, 0.9f);
      }
    }
  }
}

TEST_P(LaneLearner, ALaneRebornWithItsWeightsHasThemWhateverChanges) {
  const int lanes = GetParam();
  std::mt19937 random(11);
  const std::vector<OptimizerParams> settings = RandomSettings(lanes, &random), after = RandomSettings(lanes, &random);
  std::vector<LaneOrigin> origins;
  for (int k = 0; k < lanes; ++k) origins.push_back({lanes - 1 - k, true, true});
  // Weights to start from, half of which have learnt something since.
  constexpr int kEntries = 40;
  std::vector<float> state(kEntries * 2 * lanes);
  for (int i = 0; i < kEntries; ++i) {
    for (int k = 0; k < lanes; ++k) {
      float one[2];
      SetStateToWeight(settings[k], 0.1f * static_cast<float>(i - 20), one);
      if (i % 2 == 1) ApplyFtrl(settings[k], 0.3f, 0.2f, one);
      state[i * 2 * lanes + k] = one[0];
      state[i * 2 * lanes + lanes + k] = one[1];
    }
  }
  const std::vector<float> before = state;
  KeepLanes(settings, after, origins, kEntries, state.data());
  for (int k = 0; k < lanes; ++k) {
    const std::vector<float> parent = StateOfLane(before, lanes, origins[k].from), child = StateOfLane(state, lanes, k);
    for (int i = 0; i < kEntries; ++i) {
      const float weight = WeightOf(settings[origins[k].from], &parent[2 * i]);
      ASSERT_EQ(child[2 * i + 1], parent[2 * i + 1]);
      EXPECT_NEAR(WeightOf(after[k], &child[2 * i]), weight, 1e-4f * std::fabs(weight) + 1e-5f) << "entry " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Lanes, LaneLearner, ::testing::Values(1, 2, 4, 8, 16));

TEST(LaneLosses, AreTheLogLossInBothVersions) {
  std::vector<float> margins, labels;
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 8);
  for (int i = 0; i < 3000; ++i)
    margins.push_back(i % 50 == 0 ? 30 * normal(random) : normal(random));
  margins[17] = 0;
  margins[18] = -0.0f;
  for (int i = 0; i < 3000; ++i) labels.push_back(static_cast<float>(random() % 2));
  for (const int lanes : {1, 2, 4, 8, 16}) {
    const std::size_t rows = 187;  // 187 lanes are no whole number of vectors
    std::vector<float> losses(rows * lanes), plain(rows * lanes);
    LaneLosses(margins.data(), labels.data(), rows, lanes, losses.data());
    LaneLossesPlain(margins.data(), labels.data(), rows, lanes, plain.data());
    ASSERT_EQ(losses, plain);
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const double f = margins[i], y = labels[i / lanes];
      const double exact = (f > 0 ? f : 0) + std::log1p(std::exp(-std::fabs(f))) - y * f;
      ASSERT_NEAR(losses[i], exact, 2e-7 * (1 + exact)) << f << " " << y;
    }
  }
  const float wrong[] = {std::nanf(""), std::numeric_limits<float>::infinity(), 0, 0, 0, 0, 0, 0};
  const float label[] = {0, 0, 0, 0, 0, 0, 0, 0};
  float losses[8];
  LaneLosses(wrong, label, 8, 1, losses);
  EXPECT_TRUE(std::isnan(losses[0]));
  EXPECT_FALSE(std::isfinite(losses[1]));
}

}  // namespace
}  // namespace ps
