#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/features/declared_features.h"
#include "models/features/plan.h"
#include "tests/features/table_job.h"

namespace ps {
namespace {

using features::Feature;
using features::Plan;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<Plan> PlanOf(const JobConfig& config, const std::string& text) {
  auto extractor = CompileText(config, text);
  if (!extractor.ok()) return extractor.status();
  Plan plan;
  EXPECT_TRUE(plan.ParseFromString((*extractor)->Serialize()));
  return plan;
}

std::string ErrorOf(const JobConfig& config, const std::string& text) {
  const auto plan = PlanOf(config, text);
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument) << plan.status();
  return std::string(plan.status().message());
}

// "column op column op ..." of a plan.
std::string OpsOf(const Plan& plan) {
  std::string text;
  for (const Feature& feature : plan.feature()) {
    text += plan.column(static_cast<int>(feature.column())).name();
    text += std::string(" ") + OpName(feature.op()) + " ";
  }
  return text;
}

// id distinct per row, age a number with rare texts, size of few values, kind a text.
std::string Table(bool header) {
  std::string text = header ? "id,label,age,size,kind\n" : "";
  for (int i = 0; i < 1000; ++i) {
    text += "u" + std::to_string(i) + "," + std::to_string(i % 2) + "," +
            (i % 200 == 7 ? "old" : std::to_string(i % 90)) + "," + std::to_string(i % 20) +
            (i % 4 == 0 ? ",\n" : ",k\n");
  }
  return text;
}

TEST(CompileTest, InfersTypes) {
  const auto plan = PlanOf(TableJob(DataFormat::kCsv, true), Table(true));
  ASSERT_TRUE(plan.ok()) << plan.status();
  // 0.5 % of texts among more than 20 numbers is a number still; exactly 20 values are categories.
  EXPECT_EQ(OpsOf(*plan), "id hash age numeric size hash kind hash ");
  EXPECT_EQ(plan->label_column(), 1);
  EXPECT_EQ(plan->sample_rows(), 1000);
  EXPECT_EQ(plan->column(0).distinct(), 1000);
  EXPECT_EQ(plan->column(4).missing(), 250);
  EXPECT_TRUE(plan->feature(1).text_is_value());
  ASSERT_EQ(plan->feature(1).level_size(), static_cast<int>(std::size(kNumericBucketsOfFewRows)));
}

// Two columns of the same decimals, of which one has favourites.
TEST(CompileTest, NumbersThatMayBeNamesAreHashedBesideTheirBuckets) {
  std::string text = "label,amount,name\n";
  for (int i = 0; i < 2000; ++i) {
    const int name = i % 3 == 0 ? i % 40 : i % 2 == 0 ? 7 * (i % 5) : 11 * (i % 3);
    text += std::to_string(i % 2) + "," + std::to_string(i % 40) + "e-3," + std::to_string(name) +
            "e-3\n";
  }
  const auto plan = PlanOf(TableJob(DataFormat::kCsv, true), text);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(OpsOf(*plan), "amount numeric name numeric name hash ");
}

TEST(CompileTest, NamesByPositionAndDefaults) {
  const auto plan = PlanOf(TableJob(DataFormat::kCsv, false), "1,a,b\n0,a,c\n");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(OpsOf(*plan), "c1 hash c2 hash ");
  EXPECT_EQ(plan->label_column(), 0);
}

TEST(CompileTest, OnlyDeclaredColumnsUnlessAllAreIgnored) {
  JobConfig config = TableJob(DataFormat::kCsv, true);
  config.features = {On("age", FeatureOp::kBucket, 10), On("id", FeatureOp::kIgnore),
                     On("age", FeatureOp::kLog), CrossOf({"kind", "age", "size"})};
  auto plan = PlanOf(config, Table(true));
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->feature_size(), 3);
  const Feature& cross = plan->feature(2);
  ASSERT_EQ(cross.member_size(), 3);
  EXPECT_EQ(cross.member(0).op(), Feature::HASH);
  EXPECT_EQ(cross.member(1).op(), Feature::BUCKET);
  EXPECT_EQ(cross.member(1).cut_size(), plan->feature(0).cut_size());
  EXPECT_EQ(cross.member(2).op(), Feature::HASH);

  config.features = {On("id", FeatureOp::kIgnore)};
  plan = PlanOf(config, Table(true));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(OpsOf(*plan), "age numeric size hash kind hash ");
}

TEST(CompileTest, TheRestIsWhatNoOtherItemNames) {
  JobConfig config = TableJob(DataFormat::kCsv, true);
  FeatureConfig rest;
  rest.op = FeatureOp::kRest;
  config.features = {On("size", FeatureOp::kLog), rest, On("id", FeatureOp::kIgnore),
                     CrossOf({"kind", "size"})};
  const auto plan = PlanOf(config, Table(true));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(OpsOf(*plan), "size log age numeric kind hash id cross ");  // a cross has no column
}

TEST(CompileTest, CriteoColumns) {
  JobConfig config = TableJob(DataFormat::kCriteo, false);
  std::string row = "1";
  for (int i = 0; i < 13; ++i) row += "\t" + std::to_string(i);
  for (int i = 0; i < 26; ++i) row += "\t0a1b2c3d";
  const auto plan = PlanOf(config, row + "\n");
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->feature_size(), 39);
  EXPECT_EQ(plan->column(1).name(), "I1");
  EXPECT_EQ(plan->feature(12).op(), Feature::NUMERIC);
  EXPECT_FALSE(plan->feature(12).text_is_value());
  EXPECT_EQ(plan->feature(13).op(), Feature::HASH);
  EXPECT_THAT(ErrorOf(config, "1\t2\t3\n"), HasSubstr("rows of 3 columns, but 40 names"));
}

TEST(CompileTest, TextFormatsHaveNoColumns) {
  JobConfig config = TableJob(DataFormat::kLibsvm, false);
  config.data.index_base = 0;
  auto extractor = CompileText(config, "1 0:1 5:2\n");
  ASSERT_TRUE(extractor.ok()) << extractor.status();
  const RowBlock block = ParseExact(*(*extractor)->MakeParser(), "1 0:1 5:2\n");
  EXPECT_THAT(block.key, ElementsAre(IndexKey(0), IndexKey(5)));
  EXPECT_EQ((*extractor)->Describe(), "format libsvm, indices from 0\n");
  config.features = {On("a", FeatureOp::kHash)};
  EXPECT_THAT(ErrorOf(config, "1 0:1\n"), HasSubstr("features: libsvm text has no columns"));

  config = TableJob(DataFormat::kVw, false);
  extractor = CompileText(config, "1 |n a:2 b\n");
  ASSERT_TRUE(extractor.ok()) << extractor.status();
  EXPECT_EQ(ParseExact(*(*extractor)->MakeParser(), "1 |n a:2 b\n-1 |n c\n").rows(), 2);
}

TEST(CompileTest, ErrorsNameThePath) {
  const std::string text = Table(true);
  JobConfig config = TableJob(DataFormat::kCsv, true);
  config.features = {On("age", FeatureOp::kHash), On("agee", FeatureOp::kHash)};
  EXPECT_EQ(ErrorOf(config, text),
            "features[1].column: no column \"agee\"; the columns are id, label, age, size, kind");
  config.features = {On("kind", FeatureOp::kBucket)};
  EXPECT_THAT(ErrorOf(config, text), HasSubstr("features[0].op: column \"kind\" holds no numbers"));
  config.features = {On("label", FeatureOp::kHash)};
  EXPECT_THAT(ErrorOf(config, text), HasSubstr("features[0].column: \"label\" is the label"));
  config.features = {On("age", FeatureOp::kHash), On("age", FeatureOp::kHash)};
  EXPECT_THAT(ErrorOf(config, text), HasSubstr("features[1]: the same feature"));
  config.features = {CrossOf({"age"})};
  EXPECT_THAT(ErrorOf(config, text), HasSubstr("features[0].of: expected 2 to 16"));
  config.features = {CrossOf({"age", "none"})};
  EXPECT_THAT(ErrorOf(config, text), HasSubstr("features[0].of[1]: no column \"none\""));
  config.features = {On("age", FeatureOp::kBucket, 1)};
  EXPECT_THAT(ErrorOf(config, text), HasSubstr("features[0].buckets"));
  config.features.clear();
  config.data.label.column.index = 9;
  EXPECT_EQ(ErrorOf(config, text), "data.label.column: column 9 of 5 (columns count from 0)");
  config.data.label.column.index = -1;
  config.data.weight.name = "label";
  EXPECT_THAT(ErrorOf(config, text), HasSubstr("is the label"));
  EXPECT_THAT(ErrorOf(TableJob(DataFormat::kCsv, true), "a,a\n1,2\n"), HasSubstr("occurs twice"));
  EXPECT_THAT(ErrorOf(TableJob(DataFormat::kCsv, false), ""), HasSubstr("no rows"));
  EXPECT_THAT(ErrorOf(TableJob(DataFormat::kCsv, true), ""), HasSubstr("no header"));
}

TEST(CompileTest, HeadersOfAllFilesAgree) {
  JobConfig config = TableJob(DataFormat::kCsv, true);
  config.data.train.files = {WriteTable("label,a\n1,2\n"), WriteTable("a,label\n1,2\n")};
  const auto extractor = CompileFiles(config);
  EXPECT_THAT(std::string(extractor.status().message()), HasSubstr("the header differs"));
  for (const std::string& path : config.data.train.files) std::remove(path.c_str());
}

// A file larger than the sample: the same plan each time, from a bounded part of the rows.
TEST(CompileTest, SampleIsBoundedAndDeterministic) {
  JobConfig config = TableJob(DataFormat::kTsv, false);
  std::string text;
  while (text.size() < (12 << 20)) {
    text += std::to_string(text.size() % 2) + "\t" + std::to_string(text.size()) + "\n";
  }
  config.data.train.files = {WriteTable(text)};
  const auto first = CompileFiles(config);
  const auto second = CompileFiles(config);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ((*first)->Serialize(), (*second)->Serialize());
  Plan plan;
  ASSERT_TRUE(plan.ParseFromString((*first)->Serialize()));
  EXPECT_GT(plan.sample_rows(), 500'000);
  EXPECT_LT(plan.sample_rows(), 900'000);
  // The sample is spread: the middle cut is the middle of the file.
  const auto& cuts = plan.feature(0).cut();
  EXPECT_NEAR(cuts[cuts.size() / 2], 6 << 20, 600'000);
  std::remove(config.data.train.files[0].c_str());
}

}  // namespace
}  // namespace ps
