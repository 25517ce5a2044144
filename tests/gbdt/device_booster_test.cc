// Trees grown by the device's own kernels, executed on the host, are those of the processor.
#include "models/gbdt/device_booster.h"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "models/gbdt/booster.h"
#include "models/gbdt/crew.h"
#include "tests/gbdt/binned_sample.h"
#include "tests/gbdt/trees_alike.h"

namespace ps {
namespace {

void ExpectSameTrees(const BinnedSample& sample, const BoostParams& params, int trees) {
  Crew crew(2);
  Booster processor(&sample.rows, &sample.columns, params, &crew);
  const auto device = DeviceBooster::Make(&sample.rows, &sample.columns, params);
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_EQ((*device)->base_score(), processor.base_score());
  for (int i = 0; i < trees; ++i) {
    const Tree expected = processor.GrowNext();
    const absl::StatusOr<Tree> grown = (*device)->GrowNext();
    ASSERT_TRUE(grown.ok()) << grown.status();
    ASSERT_TRUE(Same(*grown, expected)) << "tree " << i << ": " << grown->nodes.size()
                                        << " nodes instead of " << expected.nodes.size();
    ASSERT_EQ(*(*device)->Margins(), processor.Margins()) << "tree " << i;
  }
}

TEST(DeviceBooster, GrowsTheTreesOfTheProcessor) {
  for (const bool weights : {false, true}) {
    for (const int columns : {1, 5, 33}) {
      SampleShape shape;
      shape.rows = 3000;
      shape.columns = columns;
      shape.weights = weights;
      shape.seed = static_cast<unsigned>(columns);
      BoostParams params;
      params.grow.max_leaves = 12;
      ExpectSameTrees(MakeSample(shape), params, 3);
    }
  }
}

TEST(DeviceBooster, WithCategoriesSamplesAndLimits) {
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
  ExpectSameTrees(MakeSample(shape), params, 4);
}

TEST(DeviceBooster, LearnsNumbersToo) {
  SampleShape shape;
  shape.rows = 2000;
  BinnedSample sample = MakeSample(shape);
  for (std::size_t r = 0; r < shape.rows; ++r)
    sample.rows.labels[r] = 1000 + 3.0f * sample.bin[r][0];
  BoostParams params;
  params.objective = Objective::kSquared;
  params.grow.max_leaves = 8;
  ExpectSameTrees(sample, params, 3);
}

TEST(DeviceBooster, OddShapes) {
  // One row; nothing but missing values; more rows than a block of the processor has; one class.
  for (const std::size_t rows : {std::size_t{1}, std::size_t{31}, NodeRows::kBlockRows + 5}) {
    SampleShape shape;
    shape.rows = rows;
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

TEST(DeviceBooster, SaysWhatItCannotDo) {
  SampleShape shape;
  BinnedSample sample = MakeSample(shape);
  const BoostParams params;
  device_executor::memory.has_device = false;
  EXPECT_EQ(DeviceBooster::Make(&sample.rows, &sample.columns, params).status().code(),
            absl::StatusCode::kNotFound);
  device_executor::memory.has_device = true;
  device_executor::memory.limit = 100 << 10;
  const absl::Status full = DeviceBooster::Make(&sample.rows, &sample.columns, params).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(full.message().find("MiB for"), std::string::npos) << full;
  EXPECT_EQ(device_executor::memory.used, 0u);  // all is given back
  device_executor::memory.limit = 1 << 30;
  shape.sparse = true;
  sample = MakeSample(shape);
  EXPECT_EQ(DeviceBooster::Make(&sample.rows, &sample.columns, params).status().code(),
            absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace ps
