// What is said of the keys of tables is said of the keys that the parser makes, one name a key.
#include "evaluation/table_keys.h"

#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "models/features/extractor.pb.h"
#include "models/features/plan.h"
#include "models/gbdt/json_value.h"
#include "tests/features/table_job.h"

namespace ps {
namespace {

using testing::Contains;

std::string MadeRows(int count, std::mt19937* random) {
  const auto pick = [&](std::vector<std::string> of) { return of[(*random)() % of.size()]; };
  std::string text = "label,city,age,income,height,kind,code\n";
  for (int i = 0; i < count; ++i) {
    absl::StrAppend(&text, i % 2, ",", pick({"Paris", "\"New York, \"\"the\"\" city\"", "", "NA", "a place with a long name", " Rome "}), ",");
    absl::StrAppend(&text, pick({"", "NA", absl::StrCat((*random)() % 90), absl::StrCat((*random)() % 90, ".5"), "-3"}), ",");
    absl::StrAppend(&text, pick({"0", "-0", "NA", absl::StrCat((*random)() % 100000), absl::StrCat("-", (*random)() % 1000), "1e3"}), ",");
    absl::StrAppend(&text, pick({"NA", absl::StrCat(150 + (*random)() % 50)}), ",", pick({"x", "y"}), ",");
    // A column of numbers in which a text is a value.
    absl::StrAppend(&text, (*random)() % 200 == 0 ? pick({"unknown", "?", ""}) : absl::StrCat((*random)() % 5000), "\n");
  }
  return text;
}

struct Named {
  features::Plan plan;
  std::unique_ptr<RowParser> parser;
};

Named Compile(const std::string& text) {
  JobConfig config = TableJob(DataFormat::kCsv, true);
  config.data.missing = {"NA"};
  config.features = {On("city", FeatureOp::kHash),   On("age", FeatureOp::kBucket, 8), On("income", FeatureOp::kLog),
                     On("height", FeatureOp::kRaw),  CrossOf({"city", "age"}),         CrossOf({"kind", "income", "code"}),
                     FeatureConfig{.op = FeatureOp::kRest}};
  const auto extractor = CompileText(config, text);
  EXPECT_TRUE(extractor.ok()) << extractor.status();
  Named named;
  EXPECT_TRUE(named.plan.ParseFromString((*extractor)->Serialize()));
  named.parser = (*extractor)->MakeParser();
  return named;
}

TEST(TableKeysTest, KeysAreThoseOfTheParserAndNamesAreTheirOwn) {
  std::mt19937 random(3);
  const std::string text = MadeRows(3000, &random);
  const Named named = Compile(text);
  const TableKeys keys(named.plan);
  const RowBlock block = ParseExact(*named.parser, text);
  ASSERT_GT(block.rows(), 1000u);
  std::map<ps::Key, std::string> of_rows, of_plan;
  keys.OfPlan([&](ps::Key key, const auto& name) { EXPECT_TRUE(of_plan.emplace(key, name()).second); });
  for (std::size_t r = 0; r < block.rows(); ++r) {
    const std::string_view rest = std::string_view(text).substr(block.row_offset[r]);
    SplitRow row;
    ASSERT_TRUE(row.Split(rest.substr(0, rest.find('\n')), {',', '"', true}));
    std::multiset<ps::Key> said;
    keys.OfRow(row, [&](ps::Key key, const auto& name) {
      said.insert(key);
      const auto [place, is_new] = of_rows.emplace(key, name());
      EXPECT_EQ(place->second, name());
      const auto known = of_plan.find(key);
      EXPECT_TRUE(known == of_plan.end() || known->second == name()) << name();
    });
    EXPECT_EQ(said, std::multiset<ps::Key>(block.key.begin() + block.row_begin[r], block.key.begin() + block.row_begin[r + 1]))
        << rest.substr(0, rest.find('\n'));
  }
  std::set<std::string> names;
  std::map<std::string, ps::Key> all;
  for (const auto& [key, name] : of_plan) all.emplace(name, key);
  for (const auto& [key, name] : of_rows) all.emplace(name, key);
  for (const auto& [key, name] : of_rows) {
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(all[name], key) << name;
  }
  for (const char* name : {"city=Paris", "city=New York, \\\"the\\\" city", "city missing", "city=", "age missing", "height, value",
                           "kind=x", "code=unknown", "city=Rome x age missing"}) {
    EXPECT_THAT(all, Contains(testing::Key(std::string(name))));
  }
  EXPECT_THAT(all, Contains(testing::Key(testing::MatchesRegex("age in \\[[0-9.]+, [0-9.]+\\)"))));
  EXPECT_THAT(all, Contains(testing::Key(testing::MatchesRegex("income in \\[[0-9.e+]+, [0-9.e+]+\\)"))));
  EXPECT_THAT(all, Contains(testing::Key(testing::MatchesRegex("income in \\(-[0-9.e+]+, -[0-9.e+]+\\]"))));
  EXPECT_THAT(all, Contains(testing::Key(testing::MatchesRegex("code < -?[0-9.e]+, level 2"))));
  EXPECT_THAT(all, Contains(testing::Key(testing::MatchesRegex("kind=x x income in .* x code in .*"))));
}

// Names by key of the rows of `text` under `plan`, and of what needs no row.
std::map<ps::Key, std::string> NamesOf(const features::Plan& plan, const std::vector<std::string>& lines) {
  const TableKeys keys(plan);
  std::map<ps::Key, std::string> names;
  const auto add = [&](ps::Key key, const auto& name) { EXPECT_EQ(names.emplace(key, name()).first->second, name()); };
  keys.OfPlan(add);
  for (const std::string& line : lines) {
    SplitRow row;
    EXPECT_TRUE(row.Split(line, {',', '"', true})) << line;
    keys.OfRow(row, add);
  }
  return names;
}

void ExpectOwnNames(const std::map<ps::Key, std::string>& names) {
  std::map<std::string, ps::Key> keys;
  for (const auto& [key, name] : names) {
    EXPECT_TRUE(keys.emplace(name, key).second) << name << " names two keys";
    EXPECT_TRUE(IsUtf8(name)) << name;
    EXPECT_EQ(name.find_first_of("\t\n\r"), std::string::npos) << name;
  }
}

features::Feature Of(features::Feature::Op op, std::uint32_t column) {
  features::Feature feature;
  feature.set_op(op);
  feature.set_column(column);
  feature.set_text_is_value(true);
  if (op == features::Feature::LOG) feature.set_scale(1);
  if (op == features::Feature::RAW) feature.set_deviation(1);
  if (op == features::Feature::BUCKET || op == features::Feature::NUMERIC) {
    for (const double cut : {10.0, 20.0, 30.0}) feature.add_cut(cut);
    for (const std::uint32_t leaf : {0u, 1u, 2u, 3u}) (feature.level_size() == 0 ? feature.add_level() : feature.mutable_level(0))->add_first_leaf(leaf);
  }
  return feature;
}

features::Feature CrossOfHashes(std::uint32_t a, std::uint32_t b) {
  features::Feature feature;
  feature.set_op(features::Feature::CROSS);
  for (const std::uint32_t column : {a, b}) *feature.add_member() = Of(features::Feature::HASH, column);
  return feature;
}

features::Plan PlanOn(const std::vector<std::string>& columns) {
  features::Plan plan;
  plan.set_version(kPlanVersion);
  plan.set_format("csv");
  plan.set_quote("\"");
  plan.add_missing("NA");
  plan.add_column()->set_name("label");
  for (const std::string& name : columns) plan.add_column()->set_name(name);
  return plan;
}

TEST(TableKeysTest, NamesOfEveryOperationOnOneColumnDiffer) {
  using features::Feature;
  features::Plan plan = PlanOn({"zip", "kind"});
  const std::vector<Feature::Op> operations = {Feature::HASH, Feature::BUCKET, Feature::NUMERIC, Feature::LOG, Feature::RAW};
  for (const Feature::Op op : operations) *plan.add_feature() = Of(op, 1);
  *plan.add_feature() = Of(Feature::HASH, 2);
  *plan.add_feature() = CrossOfHashes(1, 2);
  ASSERT_TRUE(ValidatePlan(plan).ok()) << ValidatePlan(plan);
  const auto names = NamesOf(plan, {"1,15,x", "0,abc,x", "0,NA,x", "1,,y", "1,-2.5,NA"});
  ExpectOwnNames(names);
  // Missing; the texts "abc" and ""; of numbers, and of the hash the texts of two.
  std::set<std::string> said;
  for (const auto& [key, name] : names) said.insert(name);
  for (const char* op : {"hash", "bucket", "numeric", "log", "raw"}) {
    for (const char* rest : {" missing", "=abc", "="}) EXPECT_THAT(said, Contains(absl::StrCat("zip (", op, ")", rest)));
  }
  for (const char* name : {"zip (hash)=15", "zip (bucket) in [10, 20)", "zip (numeric) in [10, 20)", "zip (raw), value", "kind=x",
                           "kind missing", "zip=abc x kind=x"}) {
    EXPECT_THAT(said, Contains(std::string(name)));
  }
}

TEST(TableKeysTest, NamesOfAnInferredColumnDiffer) {
  // Numbers with favourites may be names: buckets, and a category.
  std::string text = "label,zip\n";
  for (int i = 0; i < 2000; ++i)
    absl::StrAppend(&text, i % 2, ",", i % 3 == 0 ? i % 40 : i % 2 == 0 ? 7 * (i % 5) : 11 * (i % 3), "e-3\n");
  const auto extractor = CompileText(TableJob(DataFormat::kCsv, true), text);
  ASSERT_TRUE(extractor.ok()) << extractor.status();
  features::Plan plan;
  ASSERT_TRUE(plan.ParseFromString((*extractor)->Serialize()));
  ASSERT_EQ(plan.feature_size(), 2);
  ExpectOwnNames(NamesOf(plan, {"0,1e-3", "1,33e-3", "0,", "1,abc"}));
}

TEST(TableKeysTest, OddTextsAndColumnsAreNotTakenForOthers) {
  using features::Feature;
  features::Plan plan = PlanOn({"p", "p=q", "p (hash)", "kind", "p x kind", "\xff"});
  for (const Feature::Op op : {Feature::HASH, Feature::RAW}) *plan.add_feature() = Of(op, 1);
  *plan.add_feature() = Of(Feature::BUCKET, 2);
  for (const std::uint32_t column : {3u, 4u, 5u, 6u}) *plan.add_feature() = Of(Feature::HASH, column);
  *plan.add_feature() = CrossOfHashes(1, 4);
  *plan.add_feature() = CrossOfHashes(3, 4);
  ASSERT_TRUE(ValidatePlan(plan).ok()) << ValidatePlan(plan);
  const auto names = NamesOf(plan, {"1,a,5,a,x,x,\xe9", "1,a x kind=x,6,b,y,c,\\xe9", "1,a,25,c,x x kind=x,d,\xc3\xa9",
                                    "1,a x kind=x,1,q=5,x,e,\xed\xa0\x80", "1,a x x kind=x,NA,a x x,y,f,\xe0\x80\x80",
                                    "1,q in [1,NA,a\tb,NA,\x01,\xff\t"});
  ExpectOwnNames(names);
}

}  // namespace
}  // namespace ps
