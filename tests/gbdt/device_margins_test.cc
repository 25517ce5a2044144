// Trees added to held-out rows by the device's kernel are those that the processor adds. Built twice: with the kernel
// executed on the host, and for a real device, without which it skips.
#include "models/gbdt/device_margins.h"

#include <gtest/gtest.h>

#include <random>

#include "kernels/cuda/device.h"
#include "models/gbdt/booster.h"
#include "tests/gbdt/binned_sample.h"

namespace ps {
namespace {

class DeviceMarginsTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::StatusOr<DeviceInfo> device = FindDevice();
    if (!device.ok()) GTEST_SKIP() << device.status().message();
  }
};

// A tree of random splits by the sample's columns; its leaves are numbered as they come.
Tree RandomTree(const BinnedSample& sample, int splits, std::mt19937* random) {
  Tree tree;
  tree.leaf_value = {0.5f};
  std::vector<std::int32_t*> ends;
  tree.nodes.reserve(static_cast<std::size_t>(splits));
  for (int i = 0; i < splits; ++i) {
    TreeNode node;
    node.column = static_cast<std::uint32_t>((*random)() % sample.columns.size());
    node.kind = sample.columns[node.column].kind;
    node.missing_left = (*random)() % 2 == 0;
    node.bin = static_cast<std::uint8_t>((*random)() % 256);
    node.left_set = static_cast<std::uint32_t>(tree.left_sets.size());
    BinSet set{};
    for (std::uint64_t& word : set) word = (std::uint64_t{(*random)()} << 32) | (*random)();
    tree.left_sets.push_back(set);
    // The new node takes the place of a leaf, which becomes its left child.
    std::int32_t leaf = 0;
    if (!ends.empty()) {
      const std::size_t which = (*random)() % ends.size();
      leaf = ~*ends[which];
      *ends[which] = i;
      ends.erase(ends.begin() + static_cast<std::ptrdiff_t>(which));
    }
    node.left = ~leaf;
    node.right = ~static_cast<std::int32_t>(tree.leaf_value.size());
    tree.leaf_value.push_back(static_cast<float>((*random)() % 1000) / 7);
    tree.nodes.push_back(node);
    ends.push_back(&tree.nodes.back().left);
    ends.push_back(&tree.nodes.back().right);
  }
  return tree;
}

TEST_F(DeviceMarginsTest, AddsTheTreesOfTheProcessor) {
  std::mt19937 random(1);
  for (const bool sparse : {false, true}) {
    for (const std::size_t rows : {1u, 255u, 256u, 3001u}) {
      for (const double missing : {0.0, 0.4, 1.0}) {
        SampleShape shape{.rows = rows, .columns = 1 + static_cast<int>(random() % 40), .bins = 255, .missing = missing};
        shape.sparse = sparse;
        shape.categories = shape.columns / 3;
        shape.seed = random();
        const BinnedSample sample = MakeSample(shape);
        Crew crew(2);
        const std::size_t outputs = 1 + random() % 3;
        std::vector<float> expected(rows * outputs), margins;
        for (float& margin : expected) margin = static_cast<float>(random() % 100) / 3;
        const auto device = DeviceMargins::Make(&sample.rows, expected);
        ASSERT_TRUE(device.ok()) << device.status();
        for (const int splits : {0, 1, 30, 254, 7}) {
          const Tree tree = RandomTree(sample, splits, &random);
          const std::size_t output = random() % outputs;
          AddTree(tree, sample.rows, &crew, &expected, output);
          ASSERT_TRUE((*device)->Add(tree, output).ok());
          ASSERT_TRUE((*device)->Copy(&margins).ok());
          ASSERT_EQ(margins, expected) << rows << " rows, " << splits << " splits, sparse " << sparse;
        }
        EXPECT_GT((*device)->memory_bytes(), rows * outputs * 4);
      }
    }
  }
}

}  // namespace
}  // namespace ps
