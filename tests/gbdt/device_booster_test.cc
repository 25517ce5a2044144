// Trees grown by the device's kernels are those of the processor. Built twice: with the kernels
// executed on the host, and for a real device, without which it skips.
#include "models/gbdt/device_booster.h"

#include <gtest/gtest.h>

#include <utility>

#include "kernels/cuda/device.h"
#include "models/gbdt/booster.h"
#include "ps/base/crew.h"
#include "tests/gbdt/binned_sample.h"
#include "tests/gbdt/trees_alike.h"

namespace ps {
namespace {

class DeviceBoosterTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::StatusOr<DeviceInfo> device = FindDevice();
    if (!device.ok()) GTEST_SKIP() << device.status().message();
  }
};

// `before`: trees that the processor has grown already, for the device to go on after.
void ExpectSameTrees(const BinnedSample& sample, const BoostParams& params, int trees, int before = 0) {
  Crew crew(2);
  Booster processor(&sample.rows, &sample.columns, params, &crew);
  const auto device = DeviceBooster::Make(&sample.rows, &sample.columns, params);
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_EQ((*device)->base_scores(), processor.base_scores());
  ASSERT_EQ(*(*device)->Margins(), processor.Margins());
  std::vector<Tree> grown_before;
  for (int i = 0; i < before; ++i) grown_before.push_back(processor.GrowNext());
  ASSERT_TRUE((*device)->GoOnAfter(grown_before).ok());
  ASSERT_EQ(*(*device)->Margins(), processor.Margins());
  for (int i = 0; i < trees; ++i) {
    const Tree expected = processor.GrowNext();
    const absl::StatusOr<Tree> grown = (*device)->GrowNext();
    ASSERT_TRUE(grown.ok()) << grown.status();
    ASSERT_TRUE(Same(*grown, expected)) << "tree " << i << ": " << grown->nodes.size()
                                        << " nodes instead of " << expected.nodes.size();
    ASSERT_EQ(*(*device)->Margins(), processor.Margins()) << "tree " << i;
  }
}

TEST_F(DeviceBoosterTest, GrowsTheTreesOfTheProcessor) {
  for (const bool weights : {false, true}) {
    for (const int columns : {1, 5, 33}) {
      SampleShape shape;
      shape.rows = 2100;
      shape.columns = columns;
      shape.weights = weights;
      shape.seed = static_cast<unsigned>(columns);
      BoostParams params;
      params.grow.max_leaves = 8;
      ExpectSameTrees(MakeSample(shape), params, 2);
    }
  }
}

TEST_F(DeviceBoosterTest, WithCategoriesSamplesAndLimits) {
  SampleShape shape;
  shape.rows = 4000;
  shape.columns = 6;
  shape.categories = 2;
  BoostParams params;
  params.row_sample = 0.7;
  params.first_global_row = 12345;
  params.grow.max_leaves = 9;
  params.grow.max_depth = 3;
  params.grow.column_sample = 0.6;
  params.grow.l1 = 0.5;
  params.grow.level_wise = true;
  ExpectSameTrees(MakeSample(shape), params, 3);
}

TEST_F(DeviceBoosterTest, LearnsNumbersToo) {
  SampleShape shape;
  shape.rows = 2000;
  BinnedSample sample = MakeSample(shape);
  for (std::size_t r = 0; r < shape.rows; ++r)
    sample.rows.labels[r] = 1000 + 3.0f * sample.bin[r][0];
  BoostParams params;
  params.objective = Objective::kSquared;
  params.grow.max_leaves = 8;
  ExpectSameTrees(sample, params, 2);
}

TEST_F(DeviceBoosterTest, ObeysDirections) {
  for (int round = 0; round < 6; ++round) {
    SampleShape shape;
    shape.rows = 1500;
    shape.columns = 6;
    shape.sparse = round % 2 == 1;
    shape.missing = shape.sparse ? 0.4 : 0.1;
    shape.categories = shape.sparse ? 0 : 1;
    shape.weights = round % 3 == 0;
    shape.seed = static_cast<unsigned>(round + 1);
    BinnedSample sample = MakeSample(shape);
    BoostParams params;
    params.grow.max_leaves = 14;
    params.grow.min_hessian = 0.2;
    params.grow.learning_rate = 0.3;
    params.grow.level_wise = round == 2;
    params.grow.l1 = round == 1 ? 0.5 : 0;
    params.grow.absent_is_zero = round >= 3;
    if (round == 4 || round == 5) params.objective = Objective::kSquared;
    Crew crew(1);
    const Tree free = Booster(&sample.rows, &sample.columns, params, &crew).GrowNext();
    // What the rows say, and the contrary of it.
    sample.columns[2].direction = Direction::kIncreasing;
    sample.columns[4].direction = Direction::kDecreasing;
    sample.columns[3].direction = Direction::kIncreasing;
    EXPECT_FALSE(Same(Booster(&sample.rows, &sample.columns, params, &crew).GrowNext(), free));
    SCOPED_TRACE(round);
    ExpectSameTrees(sample, params, 2);
  }
}

TEST_F(DeviceBoosterTest, BeginsWithMarginsAndGoesOnAfterTrees) {
  for (const bool sparse : {false, true}) {
    for (const bool margins : {false, true}) {
      SampleShape shape;
      shape.rows = 1500;
      shape.sparse = sparse;
      shape.missing = 0.3;
      shape.categories = sparse ? 0 : 2;
      BinnedSample sample = MakeSample(shape);
      for (std::size_t r = 0; r < shape.rows && margins; ++r)
        sample.rows.margins.push_back(static_cast<float>(r % 17) / 4 - 2);
      BoostParams params;
      params.grow.max_leaves = 6;
      params.row_sample = 0.8;
      params.first_tree = margins ? 5 : 0;
      ExpectSameTrees(sample, params, 2, margins ? 0 : 3);
      params.objective = Objective::kSquared;
      ExpectSameTrees(sample, params, 1, 2);
    }
  }
}

TEST_F(DeviceBoosterTest, LearnsSeveralClasses) {
  for (const bool sparse : {false, true}) {
    for (const std::uint32_t classes : {2u, 5u}) {
      SampleShape shape;
      shape.rows = 1300;
      shape.sparse = sparse;
      shape.missing = 0.3;
      shape.weights = classes == 5;
      shape.categories = sparse ? 0 : 1;
      BinnedSample sample = MakeSample(shape);
      GiveClasses(classes, &sample);
      BoostParams params;
      params.objective = Objective::kSoftmax;
      params.classes = classes;
      params.grow.max_leaves = 5;
      params.grow.min_hessian = 0.3;
      params.grow.column_sample = 0.8;
      params.row_sample = classes == 5 ? 0.7 : 1;
      SCOPED_TRACE(classes);
      ExpectSameTrees(sample, params, static_cast<int>(2 * classes));
      // From whole rounds, and from the middle of one.
      ExpectSameTrees(sample, params, 3, static_cast<int>(classes));
      ExpectSameTrees(sample, params, 4, static_cast<int>(classes) + 1);
      for (std::size_t i = 0; i < shape.rows * classes; ++i)
        sample.rows.margins.push_back(static_cast<float>(i % 19) / 8 - 1);
      params.first_tree = 7 * classes;
      ExpectSameTrees(sample, params, 3);
    }
  }
}

TEST_F(DeviceBoosterTest, GrowsThemOnSparseRows) {
  for (const bool weights : {false, true}) {
    for (const int columns : {1, 6, 300}) {
      SampleShape shape;
      shape.sparse = true;
      shape.rows = columns == 300 ? 500 : 2100;
      shape.columns = columns;
      shape.bins = columns == 6 ? 255 : 12;
      shape.missing = columns == 300 ? 0.9 : 0.4;
      shape.weights = weights;
      shape.seed = static_cast<unsigned>(columns);
      BoostParams params;
      params.grow.max_leaves = 8;
      ExpectSameTrees(MakeSample(shape), params, 2);
    }
  }
}

TEST_F(DeviceBoosterTest, SparseRowsWithSamplesAndLimits) {
  SampleShape shape;
  shape.sparse = true;
  shape.rows = 2100;
  shape.columns = 25;
  shape.missing = 0.6;
  for (const bool absent_is_zero : {false, true}) {
    BoostParams params;
    params.row_sample = 0.7;
    params.first_global_row = 12345;
    params.grow.absent_is_zero = absent_is_zero;
    params.grow.max_leaves = 7;
    params.grow.max_depth = 3;
    params.grow.column_sample = 0.6;
    params.grow.l1 = 0.5;
    params.grow.level_wise = true;
    ExpectSameTrees(MakeSample(shape), params, 2);
    params.objective = Objective::kSquared;
    params.grow.max_leaves = 4;
    ExpectSameTrees(MakeSample(shape), params, 2);
  }
}

TEST_F(DeviceBoosterTest, ManyLeavesOfSparseRows) {
  SampleShape shape;
  shape.sparse = true;
  shape.rows = 2100;
  shape.columns = 8;
  shape.missing = 0.5;
  BoostParams params;
  params.grow.max_leaves = 36;
  params.grow.min_hessian = 0.1;
  ExpectSameTrees(MakeSample(shape), params, 1);
}

TEST_F(DeviceBoosterTest, OddShapes) {
  // One row; nothing but missing values; more rows than a block of the processor has; one class.
  const std::size_t most = NodeRows::kBlockRows + 5;
  for (const auto& [rows, sparse] : {std::pair{std::size_t{1}, false}, {std::size_t{31}, false}, {most, false},
                                     {std::size_t{1}, true}, {std::size_t{31}, true}, {most, true}}) {
    SampleShape shape;
    shape.rows = rows;
    shape.sparse = sparse;
    shape.missing = rows == 31 ? 1.0 : 0.3;
    shape.columns = 3;
    shape.bins = 255;
    BinnedSample sample = MakeSample(shape);
    BoostParams params;
    params.grow.max_leaves = 3;
    ExpectSameTrees(sample, params, 1);
    sample.rows.labels.assign(rows, 1.0f);
    ExpectSameTrees(sample, params, 1);
  }
}

// Ten rows have a value of every column, the others none.
TEST_F(DeviceBoosterTest, HugeRowsAndEmptyOnes) {
  SampleShape shape;
  shape.sparse = true;
  shape.rows = 60;
  shape.columns = 600;
  shape.bins = 4;
  shape.missing = 0;
  BinnedSample sample = MakeSample(shape);
  BinnedRows& rows = sample.rows;
  rows.rows = 1500;
  rows.row_begin.resize(11);
  rows.row_begin.resize(rows.rows + 1, rows.row_begin.back());
  rows.labels.resize(rows.rows);
  for (std::size_t r = 0; r < rows.rows; ++r) rows.labels[r] = r % 7 == 0 || r < 6 ? 1.0f : 0.0f;
  BoostParams params;
  params.grow.max_leaves = 4;
  params.grow.min_hessian = 0.1;
  ExpectSameTrees(sample, params, 1);
}

}  // namespace
}  // namespace ps
