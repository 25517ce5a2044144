#include "models/features/plan.h"

#include <cstdlib>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/features/extractor_digest.h"
#include "tests/features/table_job.h"

namespace ps {
namespace {

using features::Feature;
using features::Plan;
using ::testing::HasSubstr;

// Every operation once.
std::unique_ptr<Extractor> SmallExtractor() {
  JobConfig config = TableJob(DataFormat::kCsv, true);
  config.data.weight.name = "w";
  config.data.label.positive = "yes";
  config.features = {On("x", FeatureOp::kNumeric), On("x", FeatureOp::kBucket, 4),
                     On("x", FeatureOp::kLog),     On("x", FeatureOp::kRaw),
                     On("k", FeatureOp::kHash),    CrossOf({"k", "x"})};
  std::string text = "label,w,x,k\n";
  for (int i = 0; i < 100; ++i) text += "yes,1," + std::to_string(i * i) + ",kind\n";
  auto extractor = CompileText(config, text);
  EXPECT_TRUE(extractor.ok()) << extractor.status();
  return *std::move(extractor);
}

Plan SmallPlan() {
  Plan plan;
  EXPECT_TRUE(plan.ParseFromString(SmallExtractor()->Serialize()));
  return plan;
}

const char kRows[] = "yes,1,0,kind\nno,2.5,1234,a longer kind\nyes,1,NA,?\nno,0,-3.5,\"q\"\"\"\n";

TEST(PlanTest, RoundTripGivesTheSameKeys) {
  const auto extractor = SmallExtractor();
  const auto again = Extractor::Parse(extractor->Serialize());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->Serialize(), extractor->Serialize());
  EXPECT_EQ((*again)->Describe(), extractor->Describe());
  const RowBlock a = ParseExact(*extractor->MakeParser(), kRows, 1);
  const RowBlock b = ParseExact(*(*again)->MakeParser(), kRows, 1);
  EXPECT_EQ(a.rows(), 4);
  EXPECT_EQ(a.key, b.key);
  EXPECT_EQ(a.value, b.value);
}

// Models keep these keys for years: a change of any of them needs a new plan version.
TEST(PlanTest, GoldenKeysAndDigest) {
  const auto extractor = SmallExtractor();
  EXPECT_EQ(ExtractorDigest(extractor->Serialize()), "87e72f34ee27f3a7050b6d49e5336ccd");
  const RowBlock block = ParseExact(*extractor->MakeParser(), kRows, 1);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < block.features(); ++i) {
    sum = Mix64(sum ^ block.key[i]) + static_cast<std::uint64_t>(block.value[i] * 1e6);
  }
  EXPECT_EQ(sum, 2826631338872602019u);
  EXPECT_EQ(block.key[0], 10005071314103733835u);
  EXPECT_EQ(ExtractorDigest(""), "99aa06d3014798d86001c324468d497f");
}

TEST(PlanTest, DescribeNamesColumnsAndOperations) {
  const std::string text = SmallExtractor()->Describe();
  for (const char* part : {"format csv, header, 4 columns", "sample of 100 rows",
                           "label (\"yes\" is positive)", "weight", "bucket (4 buckets)", "log",
                           "raw (mean 3283.5", "hash", "cross of k hash x x bucket", "number"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(PlanTest, RefusesMalformedPlans) {
  const Plan good = SmallPlan();
  ASSERT_TRUE(ValidatePlan(good).ok());
  const auto refused = [&](auto change) {
    Plan plan = good;
    change(&plan);
    const auto parsed = Extractor::Parse(plan.SerializeAsString());
    return parsed.status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](Plan* p) { p->set_version(kPlanVersion - 1); }));
  EXPECT_TRUE(refused([](Plan* p) { p->set_format("parquet"); }));
  EXPECT_TRUE(refused([](Plan* p) { p->set_format("libsvm"); }));
  EXPECT_TRUE(refused([](Plan* p) { p->set_label_column(4); }));
  EXPECT_TRUE(refused([](Plan* p) { p->set_weight_column(99); }));
  EXPECT_TRUE(refused([](Plan* p) { p->set_quote("\"\""); }));
  EXPECT_TRUE(refused([](Plan* p) { p->mutable_column(0)->set_name("x"); }));
  EXPECT_TRUE(refused([](Plan* p) { p->clear_column(); }));
  EXPECT_TRUE(refused([](Plan* p) { p->mutable_feature(0)->set_column(4); }));
  EXPECT_TRUE(refused([](Plan* p) { p->mutable_feature(0)->set_cut(3, -1); }));
  EXPECT_TRUE(refused([](Plan* p) { p->mutable_feature(0)->set_cut(0, NAN); }));
  EXPECT_TRUE(refused([](Plan* p) { p->mutable_feature(0)->clear_level(); }));
  EXPECT_TRUE(
      refused([](Plan* p) { p->mutable_feature(0)->mutable_level(0)->add_first_leaf(9999); }));
  EXPECT_TRUE(
      refused([](Plan* p) { p->mutable_feature(1)->mutable_level(0)->set_first_leaf(0, 1); }));
  EXPECT_TRUE(
      refused([](Plan* p) { *p->mutable_feature(1)->add_level() = p->feature(1).level(0); }));
  EXPECT_TRUE(refused([](Plan* p) { p->mutable_feature(2)->set_scale(0); }));
  EXPECT_TRUE(refused([](Plan* p) { p->mutable_feature(2)->set_scale(-1); }));
  EXPECT_TRUE(refused([](Plan* p) { p->mutable_feature(2)->set_scale(1e-320); }));
  EXPECT_TRUE(refused([](Plan* p) { p->mutable_feature(3)->set_deviation(0); }));
  EXPECT_TRUE(refused([](Plan* p) { p->mutable_feature(4)->set_op(Feature::UNKNOWN); }));
  EXPECT_TRUE(refused([](Plan* p) { p->mutable_feature(5)->mutable_member()->RemoveLast(); }));
  EXPECT_TRUE(
      refused([](Plan* p) { *p->mutable_feature(5)->add_member() = Feature(p->feature(5)); }));
  EXPECT_TRUE(refused([](Plan* p) { *p->add_feature() = Feature(p->feature(4)); }));
  EXPECT_FALSE(Extractor::Parse("not a plan").ok());
  EXPECT_FALSE(Extractor::Parse("").ok());
}

// Whatever bytes are accepted make a plan that runs.
TEST(PlanTest, MutatedPlansAreRefusedOrRun) {
  const std::string good = SmallExtractor()->Serialize();
  std::mt19937_64 random(17);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (std::uint64_t i = 1 + random() % 4; i > 0; --i) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
          break;
        default:
          bytes.erase(at, 1 + random() % 8);
      }
    }
    const auto extractor = Extractor::Parse(bytes);
    if (!extractor.ok()) continue;
    ++accepted;
    ParseExact(*(*extractor)->MakeParser(), kRows, 1);
    (*extractor)->Describe();
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace ps
