// Target statistics: by a plain loop, merged in any order, and read from what no writer wrote.
#include "models/gbdt/target_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "models/features/plan.h"
#include "models/gbdt/tree_model.h"
#include "ps/base/file.h"
#include "trainer/gbdt/row_loader.h"

namespace ps {
namespace {

struct Row {
  std::string text;
  std::uint32_t fold = 0;
  float label = 0;
};

std::vector<Row> MakeRows(bool numbers) {
  std::mt19937 random(7);
  std::vector<Row> rows(5000);
  for (Row& row : rows) {
    row.text = absl::StrCat("shop", random() % 400);
    row.fold = random() % kTargetFolds;
    row.label = numbers ? static_cast<float>(random() % 20001) / 100.0f - 100
                        : static_cast<float>(random() % 2);
  }
  return rows;
}

TargetTable TableOf(const std::vector<Row>& rows, double unit, double smooth) {
  TargetTable table(unit, smooth);
  for (const Row& row : rows) table.Add(TargetKey(row.text), row.fold, row.label);
  return table;
}

std::string BytesOf(const TargetTable& table, bool folds = true) {
  trees::Target written;
  table.Write(folds, &written);
  return written.SerializeAsString();
}

TEST(TargetTable, IsTheMeanOfTheOtherFolds) {
  for (const bool numbers : {false, true}) {
    const std::vector<Row> rows = MakeRows(numbers);
    const TargetTable table = TableOf(rows, TargetUnit(numbers, 100), 10);
    double all = 0;
    std::map<std::string, std::pair<double, double>> of_text;
    for (const Row& row : rows) {
      all += row.label / static_cast<double>(rows.size());
      of_text[row.text].first += row.label;
      ++of_text[row.text].second;
    }
    for (std::size_t r = 0; r < 200; ++r) {
      double sum = 10 * all, count = 10;
      for (const Row& row : rows) {
        if (row.text != rows[r].text || row.fold == rows[r].fold) continue;
        sum += row.label;
        ++count;
      }
      EXPECT_NEAR(table.MeanOutOfFold(TargetKey(rows[r].text), rows[r].fold), sum / count, 1e-5);
      const auto& [total, number] = of_text[rows[r].text];
      EXPECT_NEAR(table.Mean(TargetKey(rows[r].text)), (total + 10 * all) / (number + 10), 1e-5);
    }
    EXPECT_NEAR(table.Mean(TargetKey("another")), all, 1e-5);
    EXPECT_TRUE(std::isnan(table.Mean(0)));
    EXPECT_TRUE(std::isnan(table.MeanOutOfFold(0, 1)));
  }
}

// Another row's label changes the other way, so that the mean of all rows stays.
TEST(TargetTable, ARowDoesNotSeeItsOwnLabel) {
  std::vector<Row> rows = MakeRows(false);
  rows[0] = {"one", 2, 1};
  rows[1] = {"two", 3, 0};
  const float before = TableOf(rows, 1, 10).MeanOutOfFold(TargetKey("one"), 2);
  const float served = TableOf(rows, 1, 10).Mean(TargetKey("one"));
  std::swap(rows[0].label, rows[1].label);
  EXPECT_EQ(TableOf(rows, 1, 10).MeanOutOfFold(TargetKey("one"), 2), before);
  EXPECT_NE(TableOf(rows, 1, 10).Mean(TargetKey("one")), served);
}

TEST(TargetTable, MergesInAnyOrder) {
  const std::vector<Row> rows = MakeRows(true);
  const double unit = TargetUnit(true, 100);
  const std::string whole = BytesOf(TableOf(rows, unit, 10));
  for (const std::size_t parts : {2, 3, 7}) {
    TargetTable merged(unit, 10);
    for (std::size_t p = parts; p-- > 0;) {
      std::vector<Row> of_part;
      for (std::size_t r = p; r < rows.size(); r += parts) of_part.push_back(rows[r]);
      merged.Merge(TableOf(of_part, unit, 10));
    }
    EXPECT_EQ(BytesOf(merged), whole);
  }
}

TEST(TargetTable, ComesBackFromItsBytes) {
  const std::vector<Row> rows = MakeRows(false);
  const TargetTable table = TableOf(rows, 1, 10);
  for (const bool folds : {false, true}) {
    trees::Target written;
    ASSERT_TRUE(written.ParseFromString(BytesOf(table, folds)));
    const std::optional<TargetTable> read = TargetTable::Read(written);
    ASSERT_TRUE(read);
    EXPECT_EQ(BytesOf(*read, folds), BytesOf(table, folds));
    for (const Row& row : rows) {
      const std::uint64_t key = TargetKey(row.text);
      ASSERT_EQ(read->Mean(key), table.Mean(key));
      ASSERT_EQ(read->MeanOutOfFold(key, row.fold),
                folds ? table.MeanOutOfFold(key, row.fold) : table.Mean(key));
    }
  }
}

TEST(TargetTable, RefusesWhatNoWriterWrote) {
  trees::Target good;
  TableOf(MakeRows(false), 1, 10).Write(true, &good);
  ASSERT_TRUE(TargetTable::Read(good));
  const std::vector<std::pair<const char*, std::function<void(trees::Target*)>>> changes = {
      {"unit 0", [](trees::Target* t) { t->set_unit(0); }},
      {"unit infinite", [](trees::Target* t) { t->set_unit(HUGE_VAL); }},
      {"smooth 0", [](trees::Target* t) { t->set_smooth(0); }},
      {"smooth NaN", [](trees::Target* t) { t->set_smooth(NAN); }},
      {"no rows", [](trees::Target* t) { t->set_all_rows(0); }},
      {"labels of more rows", [](trees::Target* t) { t->set_all_label(std::int64_t{1} << 62); }},
      {"a key more", [](trees::Target* t) { t->add_key(~0ull); }},
      {"rows missing", [](trees::Target* t) { t->mutable_rows()->RemoveLast(); }},
      {"no rows of a category", [](trees::Target* t) { t->set_rows(3, 0); }},
      {"many rows of a category", [](trees::Target* t) { t->set_rows(3, 1ull << 40); }},
      {"key 0", [](trees::Target* t) { t->set_key(0, 0); }},
      {"keys out of order", [](trees::Target* t) { t->set_key(1, t->key(0)); }},
      {"a fold of no category",
       [](trees::Target* t) { t->set_fold(t->fold_size() - 1, 1ull << 60); }},
      {"folds out of order", [](trees::Target* t) { t->set_fold(1, t->fold(0)); }},
      {"a fold of more rows", [](trees::Target* t) { t->set_fold_rows(0, 1000000); }},
      {"a label of a fold", [](trees::Target* t) { t->set_fold_label(0, std::int64_t{1} << 60); }},
      {"fold labels missing", [](trees::Target* t) { t->mutable_fold_label()->RemoveLast(); }},
  };
  for (const auto& [what, change] : changes) {
    trees::Target bad = good;
    change(&bad);
    EXPECT_FALSE(TargetTable::Read(bad)) << what;
  }
}

// Sums that are sound by themselves, but of which no rows could have both.
TEST(TargetTable, WalksSumsThatDoNotBelongTogether) {
  constexpr std::int64_t kMost = std::int64_t{1} << 62;
  constexpr std::uint64_t kRows = std::uint64_t{1} << 32;
  trees::Target odd;
  odd.set_unit(1);
  odd.set_smooth(10);
  odd.set_all_rows(kRows);
  odd.set_all_label(kMost);
  odd.add_key(1);
  odd.add_rows(kRows);
  odd.add_label(kMost);
  odd.add_fold(2);
  odd.add_fold_rows(kRows);
  odd.add_fold_label(-kMost);
  const std::optional<TargetTable> read = TargetTable::Read(odd);
  ASSERT_TRUE(read);
  EXPECT_TRUE(std::isfinite(read->MeanOutOfFold(1, 2)));
}

TEST(TargetTable, IsPartOfTheModelFile) {
  TreeModel model;
  model.columns.push_back({"shop", 1, ColumnKind::kNumber, false, {}, nullptr});
  Tree tree;
  tree.nodes.push_back({.threshold = 0.5f, .left = ~0, .right = ~1});
  tree.leaf_value = {-1, 1};
  tree.leaf_cover = {1, 1};
  model.trees.push_back(tree);
  const std::string without = model.Serialize();
  model.columns[0].target = std::make_shared<const TargetTable>(TableOf(MakeRows(false), 1, 10));
  const std::string with = model.Serialize();
  const absl::StatusOr<TreeModel> read = TreeModel::Parse(with);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_TRUE(read->has_targets());
  EXPECT_EQ(read->Serialize(), with);
  EXPECT_FALSE(TreeModel::Parse(without)->has_targets());
  trees::Model file;
  ASSERT_TRUE(file.ParseFromString(with));
  EXPECT_EQ(file.version(), 3u);
  const auto refused = [&](const std::function<void(trees::Model*)>& change) {
    trees::Model bad = file;
    change(&bad);
    return absl::IsDataLoss(TreeModel::Parse(bad.SerializeAsString()).status());
  };
  EXPECT_TRUE(refused([](trees::Model* m) { m->set_version(1); }));
  EXPECT_TRUE(refused([](trees::Model* m) { m->mutable_column(0)->add_text("a"); }));
  EXPECT_TRUE(
      refused([](trees::Model* m) { m->mutable_column(0)->mutable_target()->set_key(0, 0); }));
  file.set_version(4);
  EXPECT_TRUE(absl::IsFailedPrecondition(TreeModel::Parse(file.SerializeAsString()).status()));
}

// Of files: only training rows count, and they get the means of the other folds.
TEST(TargetTable, RowsOfFilesAreBinnedByIt) {
  const std::string dir = absl::StrCat(testing::TempDir(), "target_table_test_", ::getpid());
  ASSERT_TRUE(MakeDirs(dir).ok());
  std::mt19937 random(3);
  std::string text;
  std::vector<Row> rows;
  std::vector<std::uint64_t> offsets;
  for (int r = 0; r < 4000; ++r) {
    offsets.push_back(text.size());
    Row row{absl::StrCat("s", random() % 400), TargetFold(5, 0, text.size()),
            static_cast<float>(random() % 2)};
    const bool missing = r % 50 == 0;
    absl::StrAppend(&text, row.label, ",", missing ? "NA" : row.text, ",", r % 9, ",", r % 40 != 0,
                    "\n");
    if (missing) row.text.clear();
    rows.push_back(std::move(row));
  }
  ASSERT_TRUE(WriteFileAtomically(dir + "/data", text).ok());
  const absl::StatusOr<DataFiles> files = DataFiles::Open({dir + "/data"});
  ASSERT_TRUE(files.ok());
  features::Plan plan;
  plan.set_format("csv");
  plan.set_version(kPlanVersion);
  plan.add_missing("NA");
  for (const char* name : {"label", "shop", "x", "w"}) plan.add_column()->set_name(name);
  plan.set_weighted(true);
  plan.set_weight_column(3);
  for (const auto op : {features::Feature::HASH, features::Feature::RAW}) {
    features::Feature* const feature = plan.add_feature();
    feature->set_op(op);
    feature->set_column(op == features::Feature::HASH ? 1 : 2);
  }
  const RowSplit split(5, {.valid = 0.3}, 1);
  for (const int threads : {1, 4}) {
    LoadOptions options;
    options.seed = 5;
    options.threads = threads;
    options.targets = {true, {}, 10, &split};
    const absl::StatusOr<std::unique_ptr<BinPlan>> bins = PlanBins(*files, plan, options);
    ASSERT_TRUE(bins.ok()) << bins.status();
    const std::shared_ptr<const TargetTable> made = (*bins)->sources[0].target;
    ASSERT_NE(made, nullptr);
    TargetTable expected(1, 10);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      if (r % 40 == 0 || split.PartOf({0, offsets[r]}, rows[r].label) != Part::kTrain) continue;
      expected.Add(rows[r].text.empty() ? 0 : TargetKey(rows[r].text), rows[r].fold, rows[r].label);
    }
    EXPECT_EQ(BytesOf(*made), BytesOf(expected));
    const absl::StatusOr<LoadedRows> loaded = LoadRows(*files, plan, **bins, &split, options);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    const BinColumn& column = (*bins)->columns[0];
    EXPECT_GT(column.bins(), 50);
    std::size_t train = 0, valid = 0;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const std::uint64_t key = rows[r].text.empty() ? 0 : TargetKey(rows[r].text);
      const bool trains = split.PartOf({0, offsets[r]}, rows[r].label) == Part::kTrain;
      const BinnedRows& part = trains ? loaded->train : loaded->valid;
      std::size_t& at = trains ? train : valid;
      ASSERT_EQ(part.bins.data()[at * part.stride],
                BinOf(column, trains ? made->MeanOutOfFold(key, rows[r].fold) : made->Mean(key)));
      ++at;
    }
    EXPECT_EQ(train, loaded->train.rows);
    EXPECT_EQ(valid, loaded->valid.rows);
    options.held_out = true;
    const absl::StatusOr<LoadedRows> others = LoadRows(*files, plan, **bins, nullptr, options);
    ASSERT_TRUE(others.ok());
    for (std::size_t r = 0; r < rows.size(); ++r) {
      ASSERT_EQ(others->train.bins.data()[r * others->train.stride],
                BinOf(column, made->Mean(rows[r].text.empty() ? 0 : TargetKey(rows[r].text))));
    }
  }
  EXPECT_TRUE(RemoveTree(dir).ok());
}

// A table of three columns of 400, 300 and 300 categories; the last is missing in most rows.
class ChoiceOfColumns : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(MakeDirs(dir_).ok());
    std::mt19937 random(3);
    std::string text;
    for (int r = 0; r < 4000; ++r) {
      absl::StrAppend(&text, random() % 2, ",a", random() % 400, ",b", random() % 300, ",");
      absl::StrAppend(&text, r % 3 == 0 ? absl::StrCat("c", random() % 300) : "NA", "\n");
    }
    ASSERT_TRUE(WriteFileAtomically(dir_ + "/data", text).ok());
    plan_.set_format("csv");
    plan_.set_version(kPlanVersion);
    plan_.add_missing("NA");
    for (const char* name : {"label", "a", "b", "c"}) plan_.add_column()->set_name(name);
    for (const std::uint32_t column : {1, 2, 3}) {
      plan_.add_feature()->set_op(features::Feature::HASH);
      plan_.mutable_feature()->rbegin()->set_column(column);
    }
    options_.targets.automatic = true;
  }
  void TearDown() override { EXPECT_TRUE(RemoveTree(dir_).ok()); }

  std::unique_ptr<BinPlan> Choose(int threads) {
    options_.threads = threads;
    const absl::StatusOr<DataFiles> files = DataFiles::Open({dir_ + "/data"});
    absl::StatusOr<std::unique_ptr<BinPlan>> bins = PlanBins(*files, plan_, options_);
    EXPECT_TRUE(bins.ok()) << bins.status();
    return bins.ok() ? *std::move(bins) : std::make_unique<BinPlan>();
  }
  static std::string Taken(const BinPlan& bins) {
    std::string names;
    for (std::size_t c = 0; c < bins.sources.size(); ++c) {
      const ValueColumn& source = bins.sources[c];
      EXPECT_EQ(source.by_target, source.target != nullptr);
      EXPECT_EQ(source.kind, source.by_target ? ColumnKind::kNumber : ColumnKind::kCategory);
      EXPECT_EQ(bins.columns[c].categories.empty(), source.by_target);
      if (source.by_target) absl::StrAppend(&names, source.name);
    }
    return names;
  }

  const std::string dir_ = absl::StrCat(testing::TempDir(), "choice_of_columns_", ::getpid());
  features::Plan plan_;
  LoadOptions options_;
};

// 4,000 rows would be thirteen a category; those that have one are 4.5.
TEST_F(ChoiceOfColumns, RowsWithoutACategoryDoNotCount) {
  const std::unique_ptr<BinPlan> bins = Choose(2);
  EXPECT_EQ(Taken(*bins), "ab");
  EXPECT_THAT(bins->not_by_target,
              testing::MatchesRegex("c stays categories: 4\\.[0-9] rows a category"));
}

TEST_F(ChoiceOfColumns, SmallTablesFirstWhereAllAreTooMany) {
  trees::Target a, b;
  const std::unique_ptr<BinPlan> all = Choose(1);
  all->sources[0].target->Write(true, &a);
  all->sources[1].target->Write(true, &b);
  ASSERT_GT(a.ByteSizeLong(), b.ByteSizeLong());
  options_.targets.most_bytes = a.ByteSizeLong() + b.ByteSizeLong();
  EXPECT_EQ(Taken(*Choose(1)), "ab");
  --options_.targets.most_bytes;
  for (const int threads : {1, 4}) {
    const std::unique_ptr<BinPlan> bins = Choose(threads);
    EXPECT_EQ(Taken(*bins), "b");
    EXPECT_THAT(bins->not_by_target,
                testing::StartsWith("a stays categories: its statistics of 0.0 MiB, with those"));
  }
  // A table of that many categories is beyond the limit whatever they are: it is given up on the
  // way.
  options_.targets.most_bytes = 350 * 13;
  for (const int threads : {1, 4}) {
    const std::unique_ptr<BinPlan> bins = Choose(threads);
    EXPECT_EQ(Taken(*bins), "");
    EXPECT_THAT(bins->not_by_target,
                testing::StartsWith("a stays categories: more than 350 categories; b "));
  }
}

TEST_F(ChoiceOfColumns, NamedColumnsHaveNoSuchLimit) {
  options_.targets.most_bytes = 10;
  options_.targets.columns = {ColumnRef{"c"}};
  EXPECT_EQ(Taken(*Choose(2)), "c");
}

}  // namespace
}  // namespace ps
