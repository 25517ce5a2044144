// Labels of several classes: found in all well-formed rows, whatever the sample takes of them, then numbered.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "models/features/plan.h"
#include "models/gbdt/class_names.h"
#include "models/gbdt/value_rows.h"

namespace ps {
namespace {

// label, a category, a declared number.
features::Plan TablePlan() {
  features::Plan plan;
  plan.set_version(kPlanVersion);
  plan.set_format("csv");
  plan.set_quote("\"");
  for (const char* missing : {"", "NA"}) plan.add_missing(missing);
  for (const char* name : {"label", "kind", "x"}) plan.add_column()->set_name(name);
  features::Feature* const kind = plan.add_feature();
  kind->set_op(features::Feature::HASH);
  kind->set_column(1);
  features::Feature* const x = plan.add_feature();
  x->set_op(features::Feature::RAW);
  x->set_column(2);
  x->set_deviation(1);
  return plan;
}

struct MadeText {
  std::string text;
  std::map<std::string, std::uint64_t> classes;  // of well-formed rows
  std::uint64_t rows = 0;
};

MadeText MakeTable() {
  static constexpr const char* kNames[] = {"b", "\"a, c\"", "10", "rare"};
  MadeText made;
  std::mt19937 random(3);
  for (int r = 0; r < 4000; ++r) {
    const std::size_t of = r == 1234 ? 3 : random() % 3;
    made.text += std::string(kNames[of]) + ",k" + std::to_string(random() % 3) + ",0.5\n";
    ++made.classes[of == 1 ? "a, c" : kNames[of]];
    ++made.rows;
    if (r % 100 == 0) made.text += "bad,k0,word\nNA,k0,1\nnan,k0,1\n,k0,1\nworse,k0\n";
  }
  return made;
}

std::map<std::string, std::uint64_t> Sorted(const TextCounts& counts) { return {counts.begin(), counts.end()}; }

TEST(ClassLabels, AreLookedForInAllRowsOfATable) {
  const MadeText made = MakeTable();
  const features::Plan plan = TablePlan();
  const auto columns = ColumnsOfPlan(plan);
  ASSERT_TRUE(columns.ok()) << columns.status();
  const auto parser = MakeTableValues(plan, *columns, {LabelRule::kClass, nullptr});
  for (const int halvings : {0, 3, 40}) {
    ValueRows rows;
    parser->Parse(made.text, {0, 0}, {7, halvings}, &rows);
    EXPECT_EQ(Sorted(rows.classes), made.classes) << halvings;
    EXPECT_EQ(rows.rows.rows() + rows.skipped, made.rows);
    EXPECT_EQ(rows.rows.bad_rows, 200u);
    EXPECT_EQ(rows.values.size(), 2 * rows.rows.rows());
    // Categories are those of the sample.
    std::uint64_t texts = 0;
    if (!rows.texts.empty()) {
      for (const auto& [text, count] : rows.texts[0]) texts += count;
    }
    EXPECT_GE(texts, rows.rows.rows());
    EXPECT_LE(texts, rows.rows.rows() + 40);  // malformed ones behind their category
  }
}

TEST(ClassLabels, BecomeNumbers) {
  const MadeText made = MakeTable();
  const features::Plan plan = TablePlan();
  const ClassNumbers numbers = NumberClasses({"b", "a, c", "10"});
  const auto parser = MakeTableValues(plan, *ColumnsOfPlan(plan), {LabelRule::kClass, &numbers});
  ValueRows rows;
  parser->Parse(made.text, {0, 0}, RowSample(), &rows);
  std::map<float, std::uint64_t> labels;
  for (const float label : rows.rows.label) ++labels[label];
  EXPECT_EQ(labels.size(), 3u);
  EXPECT_EQ(labels[0], made.classes.at("b"));
  EXPECT_EQ(labels[1], made.classes.at("a, c"));
  EXPECT_EQ(labels[2], made.classes.at("10"));
  EXPECT_EQ(rows.rows.bad_rows, 201u);  // the rare one too
}

TEST(ClassLabels, OfLibsvmTextAreWholeNumbers) {
  const std::string text = "-1 3:1\n+2 3:1\n2.0 5:1\n1.5 3:1\nnan 3:1\n99999999 1:1\nred 1:1\n0 90000000:1\n0 1:1\n";
  ValueRows found;
  MakeLibsvmValues(1, {LabelRule::kClass, nullptr})->Parse(text, {0, 0}, {7, 40}, &found);
  EXPECT_EQ(Sorted(found.classes), (std::map<std::string, std::uint64_t>{{"-1", 1}, {"0", 1}, {"2", 2}}));
  EXPECT_EQ(found.rows.bad_rows, 5u);
  EXPECT_TRUE(found.values.empty());
  const ClassNumbers numbers = NumberClasses({"-1", "2"});
  ValueRows rows;
  MakeLibsvmValues(1, {LabelRule::kClass, &numbers})->Parse(text, {0, 0}, RowSample(), &rows);
  EXPECT_EQ(rows.rows.label, (std::vector<float>{0, 1, 1}));
  EXPECT_EQ(rows.rows.bad_rows, 6u);
  EXPECT_EQ(rows.index, (std::vector<std::uint32_t>{2, 2, 4}));
}

TEST(ClassLabels, AreOrderedAsNumbersOrByBytes) {
  EXPECT_EQ(OrderClasses({{"10", 1}, {"9", 1}, {"-2", 5}}), (std::vector<std::string>{"-2", "9", "10"}));
  EXPECT_EQ(OrderClasses({{"10", 1}, {"9", 1}, {"x", 5}}), (std::vector<std::string>{"10", "9", "x"}));
  EXPECT_FALSE(CheckClasses({}).ok());
  EXPECT_FALSE(CheckClasses({{"a", 3}}).ok());
  EXPECT_TRUE(CheckClasses({{"a", 3}, {"b", 1}}).ok());
}

}  // namespace
}  // namespace ps
