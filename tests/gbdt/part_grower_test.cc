// Whatever a worker is told to do, its sums and margins are the same on a GPU and on the processor. Built
// twice: with the kernels executed on the host, and for a real device, without which it skips.
#include "ps/trees/part_grower.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <utility>

#include "kernels/cuda/device.h"
#include "tests/gbdt/binned_sample.h"

namespace ps {
namespace {

// Random steps of random trees, done by both.
class Pair {
 public:
  Pair(const SampleShape& shape, const BoostParams& params, bool margins)
      : params_(params), random_(shape.seed) {
    BinnedSample sample = Sample(shape, margins, params.classes);
    columns_ = sample.columns;
    sums_ = LabelSums::Of(sample.rows, params.classes);
    processor_ = Make(std::move(sample), "cpu");
    device_ = Make(Sample(shape, margins, params.classes), "cuda");
    EXPECT_EQ(processor_->device_bytes(), 0u);
    EXPECT_GT(device_->device_bytes(), 0u);
    const std::vector<double> scores = sums_.BaseScores(params.objective);
    for (PartGrower* grower : both()) EXPECT_TRUE(grower->Start(scores, 77).ok());
  }

  void GrowTree() {
    const float largest = *processor_->LargestGradient();
    ASSERT_EQ(*device_->LargestGradient(), largest);
    const GradientScale scale = ScaleOf(params_.objective, sums_, largest);
    const WideSum total = *processor_->Begin(scale);
    ASSERT_EQ(*device_->Begin(scale), total);
    ExpectSameHistogram();
    ids_ = {0};
    splits_.clear();
    for (int splits = 0; splits < 7; ++splits) SplitOne();
    // The last split of a node comes to something, or none does.
    Tree tree;
    std::vector<std::uint32_t> leaves;
    Settle(0, true, &tree, &leaves);
    for (std::size_t i = 0; i < leaves.size(); ++i)
      tree.leaf_value.push_back(0.01f * static_cast<float>(random_() % 100));
    const std::vector<LeafSums> sums = *processor_->SumLeaves(leaves);
    const absl::StatusOr<std::vector<LeafSums>> of_device = device_->SumLeaves(leaves);
    ASSERT_TRUE(of_device.ok()) << of_device.status();
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      ASSERT_EQ((*of_device)[i].g, sums[i].g);
      ASSERT_EQ((*of_device)[i].h, sums[i].h);
    }
    leaves.push_back(0);  // rows that are there already
    EXPECT_TRUE(absl::IsInvalidArgument(device_->SumLeaves(leaves).status()));
    leaves.pop_back();
    if (random_() % 3 == 0) leaves.clear();  // as if it was grown elsewhere
    for (PartGrower* grower : both()) ASSERT_TRUE(grower->AddTree(tree, leaves).ok());
    ExpectSameMargins(processor_->trees());
    ExpectSameMargins(random_() % (processor_->trees() + 1));
  }

  void Rewind() {
    const std::size_t trees = random_() % (processor_->trees() + 1);
    for (PartGrower* grower : both()) {
      ASSERT_TRUE(grower->Rewind(trees).ok());
      ASSERT_EQ(grower->trees(), trees);
      ASSERT_FALSE(grower->Has(0));
    }
    ExpectSameMargins(trees);
  }

 private:
  struct Split {
    SplitChoice choice;
    std::uint32_t left = 0;
  };

  static BinnedSample Sample(const SampleShape& shape, bool margins, std::uint32_t classes) {
    BinnedSample sample = MakeSample(shape);
    if (classes > 1) GiveClasses(classes, &sample);
    for (std::size_t r = 0; r < sample.rows.rows * classes && margins; ++r)
      sample.rows.margins.push_back(static_cast<float>(r % 13) / 8 - 0.5f);
    return sample;
  }
  std::unique_ptr<PartGrower> Make(BinnedSample sample, const std::string& device) const {
    auto made = PartGrower::Make({std::move(sample.rows), std::move(sample.columns), params_, 2}, device);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }
  std::vector<PartGrower*> both() { return {processor_.get(), device_.get()}; }

  void ExpectSameHistogram() {
    const WideSum* const expected = *processor_->Collect();
    const absl::StatusOr<const WideSum*> histogram = device_->Collect();
    ASSERT_TRUE(histogram.ok()) << histogram.status();
    const bool sparse = processor_->rows().sparse;
    for (std::uint32_t c = 0; c < columns_.size(); ++c) {
      ASSERT_EQ(device_->first_cell(c), processor_->first_cell(c));
      for (int i = 0; i < columns_[c].bins() + (sparse ? 0 : 1); ++i) {
        const std::uint64_t cell = processor_->first_cell(c) + static_cast<unsigned>(i);
        ASSERT_EQ((*histogram)[cell], expected[cell]) << "column " << c << " cell " << i;
      }
    }
  }
  void ExpectSameMargins(std::size_t trees) {
    const absl::StatusOr<std::vector<float>> margins = device_->MarginsWith(trees);
    ASSERT_TRUE(margins.ok()) << margins.status();
    ASSERT_EQ(*margins, *processor_->MarginsWith(trees));
  }

  // Nodes below an earlier split of a node have rows of both sides of the new one.
  void Forget(std::uint32_t node) {
    const auto split = splits_.find(node);
    if (split == splits_.end()) return;
    for (const std::uint32_t child : {split->second.left, split->second.left + 1}) {
      Forget(child);
      ids_.erase(std::find(ids_.begin(), ids_.end(), child));
    }
    splits_.erase(node);
  }

  // Any node, also one that is split already.
  void SplitOne() {
    const std::uint32_t node = ids_[random_() % ids_.size()];
    Forget(node);
    Split split;
    SplitChoice& choice = split.choice;
    choice.score = 1;
    choice.column = random_() % static_cast<unsigned>(columns_.size());
    const BinColumn& column = columns_[choice.column];
    choice.kind = column.kind;
    choice.bin = static_cast<std::uint8_t>(1 + random_() % static_cast<unsigned>(column.bins()));
    choice.missing_left = random_() % 2 == 0;
    for (int bin = 0; bin <= column.bins(); ++bin) {
      if (random_() % 2 == 0) Insert(&choice.left_bins, static_cast<std::uint8_t>(bin));
    }
    if (column.kind == ColumnKind::kCategory) choice.missing_left = Contains(choice.left_bins, 0);
    split.left = 1 + 2 * static_cast<std::uint32_t>(random_() % 1000000) + 2000000 * next_++;
    const auto sum = static_cast<PartGrower::Sum>(random_() % 3);
    for (PartGrower* grower : both())
      ASSERT_TRUE(grower->Split(node, split.left, choice, sum).ok());
    if (sum != PartGrower::Sum::kNone) ExpectSameHistogram();
    splits_[node] = split;
    for (const std::uint32_t child : {split.left, split.left + 1}) {
      ASSERT_TRUE(device_->Has(child));
      ids_.push_back(child);
    }
  }

  // The number of the node in the tree, or of the leaf.
  std::int32_t Settle(std::uint32_t id, bool is_root, Tree* tree, std::vector<std::uint32_t>* leaves) {
    if (splits_.count(id) == 0 || (!is_root && random_() % 4 == 0)) {
      leaves->push_back(id);
      return ~static_cast<std::int32_t>(leaves->size() - 1);
    }
    const Split split = splits_.at(id);
    const std::size_t number = tree->nodes.size();
    TreeNode node;
    node.column = split.choice.column;
    node.kind = split.choice.kind;
    node.bin = split.choice.bin;
    node.missing_left = split.choice.missing_left;
    node.left_set = static_cast<std::uint32_t>(tree->left_sets.size());
    if (node.kind == ColumnKind::kCategory) tree->left_sets.push_back(split.choice.left_bins);
    tree->nodes.push_back(node);
    const std::int32_t left = Settle(split.left, false, tree, leaves);
    const std::int32_t right = Settle(split.left + 1, false, tree, leaves);
    tree->nodes[number].left = left;
    tree->nodes[number].right = right;
    return static_cast<std::int32_t>(number);
  }

  const BoostParams params_;
  std::mt19937 random_;
  std::vector<BinColumn> columns_;
  LabelSums sums_;
  std::unique_ptr<PartGrower> processor_, device_;
  // Of the tree that grows.
  std::vector<std::uint32_t> ids_;  // of nodes that are there
  std::map<std::uint32_t, Split> splits_;
  std::uint32_t next_ = 0;
};

TEST(PartGrower, IsTheSameOnAGpuAndOnTheProcessor) {
  const absl::StatusOr<DeviceInfo> device = FindDevice();
  if (!device.ok()) GTEST_SKIP() << device.status().message();
  for (unsigned seed = 1; seed <= 18; ++seed) {
    SampleShape shape;
    shape.seed = seed;
    shape.sparse = seed % 2 == 0;
    shape.rows = seed == 3 || seed == 4 ? 1 : seed < 7 ? 400 : 2100;
    shape.columns = seed % 5 == 0 ? 40 : 4;
    shape.missing = seed % 3 == 0 ? 0.8 : 0.2;
    shape.weights = seed % 4 < 2;
    shape.categories = shape.sparse ? 0 : 2;
    BoostParams params;
    params.objective = seed > 12       ? Objective::kSoftmax
                       : seed % 3 == 1 ? Objective::kSquared
                                       : Objective::kLogistic;
    params.classes = seed > 12 ? 3 : 1;
    params.row_sample = seed % 4 == 3 ? 0.6 : 1;
    params.first_tree = seed * params.classes;
    params.grow.absent_is_zero = shape.sparse && seed % 4 == 0;
    SCOPED_TRACE(seed);
    Pair pair(shape, params, seed % 5 == 1);
    for (int i = 0; i < 4; ++i) {
      pair.GrowTree();
      if (testing::Test::HasFatalFailure()) return;
      if (i == 2) pair.Rewind();
    }
  }
}

// Rows of a split are marked, and a byte has so many marks: those of long ago count no more. The first
// column has a value in the first row alone, the second one in the others.
TEST(PartGrower, ManySplitsOfSparseRows) {
  const absl::StatusOr<DeviceInfo> device = FindDevice();
  if (!device.ok()) GTEST_SKIP() << device.status().message();
  const auto make = [](const char* on) {
    SampleShape shape;
    shape.sparse = true;
    shape.rows = 40;
    shape.columns = 2;
    shape.missing = 0;
    BinnedSample sample = MakeSample(shape);
    BinnedRows& rows = sample.rows;
    for (std::size_t r = 0; r < rows.rows; ++r) {
      rows.cells[r] = rows.cells[rows.row_begin[r] + (r == 0 ? 0 : 1)];
      rows.row_begin[r] = r;
    }
    rows.row_begin[rows.rows] = rows.rows;
    auto made = PartGrower::Make({std::move(rows), std::move(sample.columns), BoostParams(), 1}, on);
    EXPECT_TRUE(made.ok()) << made.status();
    EXPECT_TRUE((*made)->Start({0.0}, 0).ok());
    EXPECT_TRUE((*made)->Begin({0.1, 0.1, 0.001, 0.001}).ok());
    return *std::move(made);
  };
  const std::unique_ptr<PartGrower> cpu = make("cpu"), gpu = make("cuda");
  for (std::uint32_t i = 0; i < 300; ++i) {
    SplitChoice choice;
    choice.score = 1;
    choice.column = i % 280 == 0 ? 0 : 1;
    choice.bin = static_cast<std::uint8_t>(cpu->columns()[choice.column].bins());
    for (PartGrower* grower : {cpu.get(), gpu.get()})
      ASSERT_TRUE(grower->Split(0, 2 * i + 1, choice, PartGrower::Sum::kLeft).ok());
    const WideSum* const expected = *cpu->Collect();
    const WideSum* const histogram = *gpu->Collect();
    ASSERT_TRUE(std::equal(expected, expected + cpu->first_cell(2), histogram)) << i;
  }
}

}  // namespace
}  // namespace ps
