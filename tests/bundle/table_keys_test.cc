// What is said of the keys of tables is said of the keys that the parser makes, one name a key.
#include "evaluation/table_keys.h"

#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "models/features/extractor.pb.h"
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

}  // namespace
}  // namespace ps
