#include "models/bundle/scorer.h"

#include <map>
#include <random>

#include "gmock/gmock.h"
#include "models/bundle/manifest.h"
#include "models/features/extractor_digest.h"
#include "tests/bundle/libsvm_model.h"
#include "tests/bundle/program.h"
#include "tests/bundle/scratch_directory.h"

namespace ps {
namespace {

using ::testing::HasSubstr;

// Margins of rows by the definition in scorer.h, one row at a time.
std::vector<float> MarginsOf(const RowBlock& block, const std::map<Key, float>& weights,
                             double bias) {
  std::vector<float> margins;
  for (std::size_t r = 0; r < block.rows(); ++r) {
    double margin = bias;
    for (std::uint32_t f = block.row_begin[r]; f < block.row_begin[r + 1]; ++f) {
      const auto it = weights.find(block.key[f]);
      if (it == weights.end()) continue;
      margin += it->second * (block.value.empty() ? 1.0 : double{block.value[f]});
    }
    margins.push_back(static_cast<float>(margin));
  }
  return margins;
}

TEST(Scorer, MarginsAreTheDefinitionForAnyShapeOfBlock) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  std::map<Key, float> weights;
  std::vector<Key> keys;
  for (int i = 0; i < 5000; ++i) {
    keys.push_back(IndexKey(i));
    if (i % 3 != 0) weights[keys.back()] = normal(random);
  }
  const Scorer scorer(
      [&weights](absl::Span<const Key> wanted, absl::Span<float> found) {
        ASSERT_EQ(wanted.size(), found.size());
        for (std::size_t i = 0; i < wanted.size(); ++i) {
          const auto it = weights.find(wanted[i]);
          found[i] = it == weights.end() ? 0 : it->second;
        }
      },
      0.375);
  // Empty rows at both ends and in the middle, rows longer than what is looked up at once.
  for (const std::vector<int>& lengths : {std::vector<int>{},
                                          {0},
                                          {0, 0, 0},
                                          {1},
                                          {1024},
                                          {1023, 1},
                                          {1024, 0, 0, 1},
                                          {0, 3, 0, 2500, 0, 0, 7, 1024, 0},
                                          {3000, 3000}}) {
    for (const bool values : {false, true}) {
      RowBlock block;
      for (const int length : lengths) {
        for (int i = 0; i < length; ++i) {
          block.key.push_back(keys[random() % keys.size()]);
          if (values) block.value.push_back(normal(random));
        }
        block.label.push_back(0);
        block.row_begin.push_back(static_cast<std::uint32_t>(block.key.size()));
      }
      std::vector<float> margins(3, 99);
      scorer.Score(block, &margins);
      EXPECT_EQ(margins, MarginsOf(block, weights, 0.375));
    }
  }
}

TEST(Scorer, ScoresTextWithTheBundlesOwnExtractor) {
  const ScratchDirectory scratch;
  WriteLibsvmModel(scratch / "model", 50);
  auto bundle = Bundle::Open(scratch / "model");
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  const auto scorer = Scorer::FromBundle(*std::move(bundle));
  ASSERT_TRUE(scorer.ok()) << scorer.status();
  const LibsvmData data = DrawLibsvmData(500, 50, 60);
  RowBlock block;
  (*scorer)->parser()->Parse(data.text, {}, &block);
  ASSERT_EQ(block.rows(), 500);
  std::vector<float> margins;
  (*scorer)->Score(block, &margins);
  EXPECT_EQ(margins, data.margin);
  EXPECT_EQ(block.label, data.label);
}

TEST(Scorer, ABundleWithoutAUsableExtractorIsRefused) {
  const ScratchDirectory scratch;
  const auto open = [&](const std::string& plan) {
    {
      auto writer = BundleWriter::Create(scratch / "model");
      EXPECT_TRUE(writer.ok());
      if (!plan.empty()) {
        EXPECT_TRUE((*writer)->AddFile("extractor.pb", plan).ok());
      }
      EXPECT_TRUE((*writer)->Finish({}).ok());
    }
    auto bundle = Bundle::Open(scratch / "model");
    EXPECT_TRUE(bundle.ok());
    return Scorer::FromBundle(*std::move(bundle)).status();
  };
  EXPECT_TRUE(absl::IsFailedPrecondition(open("")));
  EXPECT_TRUE(absl::IsInvalidArgument(open("this is not a plan")));
  EXPECT_TRUE(open(LibsvmPlan()).ok());
}

TEST(Scorer, ABundleOfAnotherExtractorIsRefused) {
  const ScratchDirectory scratch;
  WriteLibsvmModel(scratch / "model", 50);
  const std::string path = scratch / "model/manifest.json";
  auto manifest = ParseManifest(path, ReadText(path));
  ASSERT_TRUE(manifest.ok());
  manifest->info.extractor_digest = ExtractorDigest("another plan");
  WriteText(path, WriteManifest(*manifest));
  auto bundle = Bundle::Open(scratch / "model");
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  const absl::Status status = Scorer::FromBundle(*std::move(bundle)).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("digest"));
}

}  // namespace
}  // namespace ps
