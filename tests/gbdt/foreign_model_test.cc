// Models of other tools: read as those tools predict, written so that they predict as ours do.
#include "models/gbdt/foreign_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <sstream>

#include "evaluation/model_exchange.h"
#include "models/gbdt/predictor.h"
#include "models/gbdt/tree_scorer.h"
#include "tests/bundle/program.h"
#include "tests/bundle/scratch_directory.h"
#include "tests/gbdt/binned_sample.h"

namespace ps {
namespace {

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();
constexpr std::size_t kRows = 300;

std::string Fixture(const std::string& name) {
  return std::string(std::getenv("PS_SOURCE_DIR")) + "/tests/gbdt/foreign/" + name;
}

std::vector<double> Numbers(const std::string& path) {
  std::istringstream in(ReadText(path));
  std::vector<double> numbers;
  for (double number; in >> number;) numbers.push_back(number);
  return numbers;
}

ForeignModel Grown(int categories, double missing = 0.1, std::uint32_t classes = 1) {
  SampleShape shape;
  shape.rows = 3000;
  shape.categories = categories;
  shape.missing = missing;
  BinnedSample sample = MakeSample(shape);
  BoostParams params;
  params.classes = classes;
  if (classes > 1) {
    GiveClasses(classes, &sample);
    params.objective = Objective::kSoftmax;
  }
  params.grow.max_leaves = 20;
  Crew crew(1);
  Booster booster(&sample.rows, &sample.columns, params, &crew);
  ForeignModel result;
  result.model.objective = params.objective;
  if (classes > 1) {
    for (std::uint32_t c = 0; c < classes; ++c) result.model.classes.push_back("class \"" + std::to_string(c));
    result.model.class_scores = booster.base_scores();
  } else {
    result.model.base_score = booster.base_score();
  }
  for (int t = 0; t < 12; ++t) result.model.trees.push_back(booster.GrowNext());
  for (std::uint32_t c = 0; c < sample.columns.size(); ++c) {
    result.model.columns.push_back(
        {"c" + std::to_string(c), c, sample.columns[c].kind, false, sample.columns[c].categories});
    result.features.push_back({"c" + std::to_string(c), c});
  }
  return result;
}

// Values by feature; categories as codes. Some lie on thresholds and beside them.
std::vector<std::vector<float>> RandomRows(const ForeignModel& model) {
  std::mt19937 random(4);
  std::vector<std::vector<float>> rows(kRows);
  for (std::vector<float>& row : rows) {
    for (const TreeColumn& column : model.model.columns) {
      float value = static_cast<float>(random() % 80) / 4;
      if (column.kind == ColumnKind::kCategory) value = static_cast<float>(random() % 20);
      if (column.kind == ColumnKind::kNumber && random() % 4 == 0)
        value = std::nextafter(static_cast<float>(random() % 20) + 0.5f,
                               random() % 2 == 0 ? -1.0f : 100.0f);
      row.push_back(random() % 5 == 0 ? kMissing : value);
    }
  }
  return rows;
}

double MarginOf(const ForeignModel& model, const std::vector<float>& row, std::size_t output = 0) {
  std::vector<float> values(std::max<std::size_t>(1, model.model.columns.size()));
  for (std::size_t f = 0; f < row.size(); ++f) {
    if (model.features[f].column < 0) continue;
    const auto c = static_cast<std::size_t>(model.features[f].column);
    values[c] = row[f] + (model.model.columns[c].kind == ColumnKind::kCategory ? 1.0f : 0.0f);
  }
  return TreePredictor(model.model).Margin(values.data(), output);
}

struct Tool {
  const char* name;
  ModelFormat format;
  absl::StatusOr<std::string> (*write)(const ForeignModel&, double);
  absl::StatusOr<ForeignModel> (*read)(std::string_view, bool);
  const char* fixture;
  const char* margins;
};
const Tool kTools[] = {
    {"lightgbm", ModelFormat::kLightGbm, ToLightGbm, FromLightGbm, "lightgbm.txt",
     "lightgbm.margins"},
    {"xgboost", ModelFormat::kXgBoost, ToXgBoost, FromXgBoost, "xgboost.json", "xgboost.margins"}};

class ForeignModelTest : public testing::TestWithParam<Tool> {};
INSTANTIATE_TEST_SUITE_P(Tools, ForeignModelTest, testing::ValuesIn(kTools),
                         [](const auto& info) { return info.param.name; });

// Of a real tool's model, and what the tool predicts with it for the rows of rows.csv.
void ExpectPredictsAsTheTool(const std::string& fixture, ModelFormat format, const std::string& of_tool) {
  const ScratchDirectory scratch;
  const std::string out = scratch / "imported";
  const absl::Status status = ImportModel(Fixture(fixture), format, {}, out);
  ASSERT_TRUE(status.ok()) << status;
  auto bundle = Bundle::Open(out);
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  const auto scorer = TreeScorer::FromBundle(*std::move(bundle));
  ASSERT_TRUE(scorer.ok()) << scorer.status();
  RowBlock rows;
  std::vector<float> margins;
  (*scorer)->ScoreText(ReadText(Fixture("rows.csv")), {0, 0}, &rows, &margins);
  EXPECT_EQ(rows.bad_rows, 0u);
  const std::vector<double> expected = Numbers(Fixture(of_tool));
  ASSERT_EQ(margins.size(), 80u);
  ASSERT_EQ(expected.size(), margins.size());
  for (std::size_t i = 0; i < margins.size(); ++i) EXPECT_NEAR(margins[i], expected[i], 2e-6) << i;
}

TEST_P(ForeignModelTest, ModelsOfTheRealToolPredictAsItDoes) {
  ExpectPredictsAsTheTool(GetParam().fixture, GetParam().format, GetParam().margins);
}

TEST(ForeignModel, DartAndForestsPredictAsTheToolDoes) {
  for (const std::string kind : {"dart", "forest"}) {
    SCOPED_TRACE(kind);
    ExpectPredictsAsTheTool("xgboost_" + kind + ".json", ModelFormat::kXgBoost, "xgboost_" + kind + ".margins");
  }
}

// Trees that dart dropped count less than their leaves say.
TEST(ForeignModel, DartNeedsAWeightForEachTree) {
  std::string text = ReadText(Fixture("xgboost_dart.json"));
  const std::size_t begin = text.find("\"weight_drop\":[") + 15;
  text.erase(begin, text.find(',', begin) + 1 - begin);
  EXPECT_EQ(FromXgBoost(text, false).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(ForeignModelTest, ComesBackAsItWas) {
  for (const int categories : {0, 2}) {
    for (const double missing : {0.0, 0.1}) {
      const ForeignModel model = Grown(categories, missing);
      const auto text = GetParam().write(model, 0.25);
      ASSERT_TRUE(text.ok()) << text.status();
      const auto back = GetParam().read(*text, false);
      ASSERT_TRUE(back.ok()) << back.status();
      EXPECT_EQ(back->model.trees.size(), model.model.trees.size());
      for (const auto& row : RandomRows(model))
        ASSERT_NEAR(MarginOf(*back, row), MarginOf(model, row) + 0.25, 3e-7);
    }
  }
}

TEST_P(ForeignModelTest, SeveralClassesComeBackAsTheyWere) {
  for (const int categories : {0, 2}) {
    ForeignModel model = Grown(categories, 0.1, 3);
    model.model.trees[4] = Tree();  // of one leaf, beside others of its round
    model.model.trees[4].leaf_value = model.model.trees[4].leaf_cover = {0.25f};
    const auto text = GetParam().write(model, 0.25);
    ASSERT_TRUE(text.ok()) << text.status();
    const auto back = GetParam().read(*text, false);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->model.classes, model.model.classes);
    EXPECT_EQ(back->model.objective, Objective::kSoftmax);
    EXPECT_EQ(back->model.trees.size(), model.model.trees.size());
    for (const auto& row : RandomRows(model)) {
      for (std::size_t c = 0; c < 3; ++c) ASSERT_NEAR(MarginOf(*back, row, c), MarginOf(model, row, c) + 0.25, 5e-7);
    }
  }
}

TEST_P(ForeignModelTest, ScoredAlikeByTheRealTool) {
  const ScratchDirectory scratch;
  const bool lightgbm = GetParam().format == ModelFormat::kLightGbm;
  if (std::system(lightgbm ? "command -v lightgbm >/dev/null 2>&1"
                           : "/usr/bin/python3 -c 'import xgboost' >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << (lightgbm ? "no program lightgbm on the PATH" : "no python3-xgboost here");
  }
  for (const auto& [categories, classes] : {std::pair{0, 1u}, {2, 1u}, {0, 3u}, {2, 3u}}) {
    const ForeignModel model = Grown(categories, 0.1, classes);
    const auto text = GetParam().write(model, 0);
    ASSERT_TRUE(text.ok()) << text.status();
    const std::string at = scratch / "";
    WriteText(at + "model.json", *text);
    std::ostringstream rows;
    rows.precision(9);
    for (const auto& row : RandomRows(model)) {
      if (lightgbm) rows << "0,";  // it skips a label
      for (std::size_t f = 0; f < row.size(); ++f) {
        rows << (f == 0 ? "" : ",");
        row[f] == row[f] ? rows << row[f] : rows << "nan";
      }
      rows << "\n";
    }
    WriteText(at + "rows.csv", rows.str());
    const std::string command =
        lightgbm ? "lightgbm task=predict predict_raw_score=true verbosity=-1 data=" + at +
                       "rows.csv input_model=" + at + "model.json output_result=" + at + "out"
                 : "/usr/bin/python3 " + Fixture("rescore_xgboost.py") + " " + at + "model.json " +
                       at + "rows.csv " + at + "out";
    ASSERT_EQ(std::system((command + " >" + at + "log 2>&1").c_str()), 0) << ReadText(at + "log");
    const std::vector<double> scored = Numbers(at + "out");
    ASSERT_EQ(scored.size(), kRows * classes);
    std::size_t i = 0;
    for (const auto& row : RandomRows(model)) {
      for (std::uint32_t c = 0; c < classes; ++c) ASSERT_NEAR(scored[i++], MarginOf(model, row, c), 2e-6);
    }
  }
}

TEST_P(ForeignModelTest, DamagedTextIsRefusedOrSafe) {
  const std::string texts[] = {ReadText(Fixture(GetParam().fixture)), GetParam().write(Grown(1), 0).value(),
                               GetParam().write(Grown(0, 0.1, 3), 0).value()};
  std::mt19937 random(8);
  constexpr std::string_view kBytes = "0123456789-.eE,[]{}\"= \nN";
  int refused = 0, accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = texts[round % 4 == 0 ? 1 : round % 4 == 1 ? 2 : 0];
    for (unsigned i = 0; i < 1 + random() % 3; ++i) {
      const std::size_t at = random() % text.size();
      if (random() % 4 == 0) {
        text.erase(at, random() % 20);
      } else {
        text[at] = kBytes[random() % kBytes.size()];
      }
    }
    if (round % 11 == 0) text.resize(random() % text.size());
    const auto model = GetParam().read(text, round % 5 == 0);
    refused += !model.ok();
    if (!model.ok()) continue;
    ++accepted;
    // Whatever is accepted is a model of ours.
    const auto parsed = TreeModel::Parse(model->model.Serialize());
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    const std::vector<float> row(std::max<std::size_t>(1, model->model.columns.size()), 3.0f);
    TreePredictor(*parsed).Margin(row.data(), parsed->outputs() - 1);
  }
  EXPECT_GT(refused, 500);
  EXPECT_GT(accepted, 100);
}

TEST(ForeignModel, SaysWhatItCannotRead) {
  EXPECT_EQ(FromLightGbm("", false).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FromXgBoost("{}", false).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FromXgBoost(std::string(1 << 20, '['), false).status().code(),
            absl::StatusCode::kInvalidArgument);
  std::string text = ReadText(Fixture("lightgbm.txt"));
  text.replace(text.find("binary sigmoid:1"), 16, "poisson");
  EXPECT_EQ(FromLightGbm(text, false).status().code(), absl::StatusCode::kUnimplemented);
  // Categories are of tables.
  EXPECT_EQ(FromXgBoost(ReadText(Fixture("xgboost.json")), true).status().code(),
            absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace ps
