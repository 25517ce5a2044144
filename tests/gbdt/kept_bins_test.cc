// Files of a cache whose checksum is right and whose content is not: none is believed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>

#include "absl/strings/str_cat.h"
#include "models/features/plan.h"
#include "ps/base/crc32c.h"
#include "ps/base/file.h"
#include "ps/wire/tree_messages.pb.h"
#include "trainer/gbdt/bin_cache.h"
#include "trainer/gbdt/bin_cache.pb.h"

namespace ps {
namespace {

constexpr std::size_t kMagicBytes = 8;
constexpr int kRows = 3000;
constexpr std::uint64_t kMuch = std::uint64_t{1} << 62;

template <typename T>
T NumberAt(const std::string& bytes, std::size_t at) {
  T number;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}
template <typename T>
void SetNumber(T number, std::size_t at, std::string* bytes) {
  std::memcpy(bytes->data() + at, &number, sizeof number);
}

// What a file of the cache says behind its origin.
struct Content {
  std::string front, body;

  explicit Content(const std::string& file) {
    const std::size_t begin = kMagicBytes + 8 + NumberAt<std::uint64_t>(file, kMagicBytes);
    front = file.substr(0, begin);
    body = file.substr(begin, file.size() - begin - 4);
  }
  std::string File() const {
    const std::uint32_t crc = Crc32c(front + body);
    return absl::StrCat(front, body, std::string(reinterpret_cast<const char*>(&crc), 4));
  }
};

// A body of rows: its message and the arrays, of which those of the train part are the first.
struct RowsBody {
  bin_cache::Rows head;
  std::string arrays;

  explicit RowsBody(const std::string& body) {
    const std::uint64_t size = NumberAt<std::uint64_t>(body, 0);
    EXPECT_TRUE(head.ParseFromString(body.substr(8, size)));
    arrays = body.substr(8 + size);
  }
  std::string Body() const {
    const std::string bytes = head.SerializeAsString();
    std::string size(8, '\0');
    SetNumber<std::uint64_t>(bytes.size(), 0, &size);
    return absl::StrCat(size, bytes, arrays);
  }
  std::uint64_t rows() const { return head.part(0).rows(); }
  std::size_t weights() const { return 4 * rows(); }
  std::size_t bins() const { return weights() * (head.part(0).weighted() ? 2 : 1); }
  std::size_t cells() const { return bins() + 8 * (rows() + 1); }
};

class KeptBinsTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = absl::StrCat(testing::TempDir(), "kept_bins_test_", ::getpid());
    ASSERT_TRUE(MakeDirs(dir_).ok());
  }
  void TearDown() override { EXPECT_TRUE(RemoveTree(dir_).ok()); }

  // Two columns, weights, and labels that may be classes.
  void MakeTable() {
    std::string text;
    for (int r = 0; r < kRows; ++r) {
      absl::StrAppend(&text, r % 2, ",", r * 7 % 1000, ",", r % 3 == 0 ? "red" : "blue", ",",
                      1 + r % 4, "\n");
    }
    plan_.set_format("csv");
    plan_.set_version(kPlanVersion);
    for (const char* name : {"label", "x", "color", "w"}) plan_.add_column()->set_name(name);
    plan_.set_weighted(true);
    plan_.set_weight_column(3);
    for (const auto op : {features::Feature::RAW, features::Feature::HASH}) {
      features::Feature* const feature = plan_.add_feature();
      feature->set_op(op);
      feature->set_column(op == features::Feature::RAW ? 1 : 2);
    }
    Use(text);
  }
  // Rows of three indices among forty.
  void MakeSparse() {
    std::string text;
    for (int r = 0; r < kRows; ++r) {
      absl::StrAppend(&text, r % 2, " ", 1 + r % 10, ":", r % 100, " ", 11 + r % 10, ":1 ",
                      21 + r % 20, ":", r % 7, "\n");
    }
    plan_.set_format("libsvm");
    plan_.set_version(kPlanVersion);
    plan_.set_index_base(1);
    Use(text);
  }
  void Use(const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(dir_ + "/data", text).ok());
    absl::StatusOr<DataFiles> files = DataFiles::Open({dir_ + "/data"});
    ASSERT_TRUE(files.ok()) << files.status();
    files_ = *std::move(files);
  }

  // All that is known of the rows of a job. Lines that were said are added to said_.
  std::string Load() {
    said_.clear();
    const BinCache::Say say = [&](const std::string& line) { said_ += line + "\n"; };
    const BinCache cache(dir_ + "/kept", say, say);
    absl::StatusOr<std::unique_ptr<BinPlan>> bins = cache.Plan(files_, plan_, options_);
    if (!bins.ok()) return bins.status().ToString();
    const RowSplit split(1, {.valid = 0.2}, 1);
    absl::StatusOr<LoadedRows> rows = cache.Load(files_, plan_, **bins, &split, options_);
    return rows.ok() ? Describe(*rows) : rows.status().ToString();
  }
  static std::string Describe(const LoadedRows& rows) {
    std::string text;
    const auto add = [&](const auto* numbers, std::size_t count) {
      text.append(reinterpret_cast<const char*>(numbers), count * sizeof *numbers);
    };
    for (const BinnedRows* part : {&rows.train, &rows.valid, &rows.test}) {
      add(part->labels.data(), part->labels.size());
      add(part->weights.data(), part->weights.size());
      add(part->row_begin.data(), part->row_begin.size());
      if (part->sparse) add(part->cells.data(), part->row_begin.back());
      if (!part->sparse) add(part->bins.data(), part->rows * part->stride);
    }
    return text;
  }

  std::string FileOf(const char* extension) const {
    for (const auto& file : std::filesystem::directory_iterator(dir_ + "/kept")) {
      if (file.path().extension() == extension) return file.path().string();
    }
    return "";
  }

  // Whatever `change` makes of a file's body, the file is made anew.
  void ExpectMadeAnew(const char* extension, const char* what,
                      const std::function<std::string(const std::string& body)>& change) {
    const std::string rows = Load(), path = FileOf(extension);
    EXPECT_THAT(said_, testing::HasSubstr("binned rows from")) << what;
    const std::string whole = ReadWholeFile(path).value();
    Content content(whole);
    EXPECT_EQ(content.File(), whole);
    content.body = change(content.body);
    ASSERT_NE(content.File(), whole) << what;
    ASSERT_TRUE(WriteFileAtomically(path, content.File()).ok());
    EXPECT_TRUE(Load() == rows) << what;
    EXPECT_THAT(said_, testing::HasSubstr("is damaged; it is made anew")) << what;
    EXPECT_TRUE(ReadWholeFile(path).value() == whole) << what;
  }
  void ExpectPlanMadeAnew(const char* what, const std::function<void(wire::TreePlan*)>& change) {
    ExpectMadeAnew(".bins", what, [&](const std::string& body) {
      wire::TreePlan plan;
      EXPECT_TRUE(plan.ParseFromString(body));
      change(&plan);
      return plan.SerializeAsString();
    });
  }
  void ExpectRowsMadeAnew(const char* what, const std::function<void(RowsBody*)>& change) {
    ExpectMadeAnew(".rows", what, [&](const std::string& body) {
      RowsBody rows(body);
      change(&rows);
      return rows.Body();
    });
  }
  // Those of any rows.
  void ExpectCountsMadeAnew() {
    for (const std::uint64_t rows : {kMuch >> 42, kMuch, ~std::uint64_t{0}}) {
      ExpectRowsMadeAnew(
          "rows", [&](RowsBody* body) { body->head.mutable_part(0)->set_rows(rows); });
    }
    ExpectRowsMadeAnew("parts", [](RowsBody* body) { body->head.mutable_part()->RemoveLast(); });
    ExpectRowsMadeAnew("label", [](RowsBody* body) { SetNumber(2.0f, 0, &body->arrays); });
    ExpectMadeAnew(".rows", "size of the message", [](std::string body) {
      SetNumber(~std::uint64_t{0}, 0, &body);
      return body;
    });
  }

  std::string dir_, said_;
  DataFiles files_;
  features::Plan plan_;
  LoadOptions options_;
};

TEST_F(KeptBinsTest, OfTables) {
  MakeTable();
  Load();
  ExpectCountsMadeAnew();
  const auto set_source = [](int column, std::uint32_t source) {
    return [=](wire::TreePlan* plan) { plan->mutable_columns(column)->set_source(source); };
  };
  ExpectPlanMadeAnew("source behind the last", set_source(1, 4));
  ExpectPlanMadeAnew("source far away", set_source(1, 0xffffffffu));
  ExpectPlanMadeAnew("source twice", set_source(0, 2));
  ExpectPlanMadeAnew("no columns", [](wire::TreePlan* plan) { plan->clear_columns(); });
  ExpectPlanMadeAnew("sparse", [](wire::TreePlan* plan) {
    plan->mutable_columns()->RemoveLast();
    plan->set_sparse(true);
  });
  ExpectPlanMadeAnew("libsvm", [](wire::TreePlan* plan) {
    plan->mutable_columns()->RemoveLast();
    plan->set_libsvm(true);
  });
  ExpectPlanMadeAnew("lines", [](wire::TreePlan* plan) { plan->set_lines(kMuch); });
  ExpectPlanMadeAnew("classes", [](wire::TreePlan* plan) {
    plan->add_classes("0");
    plan->add_classes("1");
  });
  for (const float weight : {-1.0f, std::numeric_limits<float>::quiet_NaN()}) {
    ExpectRowsMadeAnew(
        "weight", [&](RowsBody* body) { SetNumber(weight, body->weights(), &body->arrays); });
  }
  // Of two categories, of the first and of the last row.
  ExpectRowsMadeAnew("bin", [](RowsBody* body) { body->arrays[body->bins() + 1] = 3; });
  ExpectRowsMadeAnew("last bin", [](RowsBody* body) {
    body->arrays[body->bins() + 2 * body->rows() - 1] = '\xff';
  });
}

TEST_F(KeptBinsTest, OfSparseRows) {
  MakeSparse();
  Load();
  ExpectCountsMadeAnew();
  ExpectPlanMadeAnew("index", [](wire::TreePlan* plan) {
    plan->mutable_columns()->rbegin()->set_source(0xffffffffu);
  });
  ExpectPlanMadeAnew(
      "order", [](wire::TreePlan* plan) { plan->mutable_columns(3)->set_source(0); });
  ExpectPlanMadeAnew("table", [](wire::TreePlan* plan) {
    plan->set_libsvm(false);
    plan->set_sparse(false);
  });
  ExpectPlanMadeAnew("category", [](wire::TreePlan* plan) {
    plan->set_sparse(false);
    plan->mutable_columns(2)->set_category(true);
  });
  const auto set_begin = [](std::size_t row, std::uint64_t begin) {
    return [=](RowsBody* body) { SetNumber(begin, body->bins() + 8 * row, &body->arrays); };
  };
  ExpectRowsMadeAnew("first begin", set_begin(0, 1));
  ExpectRowsMadeAnew("begin behind the last cell", set_begin(1, std::uint64_t{1} << 40));
  ExpectRowsMadeAnew("begins descend", set_begin(2, 1));
  ExpectRowsMadeAnew(
      "cells", [](RowsBody* body) { body->head.mutable_part(0)->set_cells(kMuch); });
  const auto set_cell = [](std::size_t i, std::uint32_t cell) {
    return [=](RowsBody* body) { SetNumber(cell, body->cells() + 4 * i, &body->arrays); };
  };
  ExpectRowsMadeAnew("cell", set_cell(2, 0xffffffffu));
  ExpectRowsMadeAnew("cells of a row descend", set_cell(2, 0));
}

TEST_F(KeptBinsTest, OfClasses) {
  options_.labels = LabelRule::kClass;
  MakeTable();
  Load();
  for (const float label : {2.0f, -1.0f, 0.5f, std::numeric_limits<float>::quiet_NaN()}) {
    ExpectRowsMadeAnew("class", [&](RowsBody* body) { SetNumber(label, 0, &body->arrays); });
  }
  ExpectPlanMadeAnew("no classes", [](wire::TreePlan* plan) { plan->clear_classes(); });
  ExpectPlanMadeAnew("a class twice", [](wire::TreePlan* plan) { plan->set_classes(1, "0"); });
}

TEST_F(KeptBinsTest, OfNumbers) {
  options_.labels = LabelRule::kNumber;
  MakeTable();
  Load();
  ExpectRowsMadeAnew("label", [](RowsBody* body) {
    SetNumber(std::numeric_limits<float>::infinity(), 0, &body->arrays);
  });
}

// A plan that says too few lines, or files that have grown since they were counted.
TEST_F(KeptBinsTest, RowsBeyondThoseCountedFindRoom) {
  MakeTable();
  auto bins = PlanBins(files_, plan_, options_);
  ASSERT_TRUE(bins.ok()) << bins.status();
  const auto load = [&] {
    const auto rows = LoadRows(files_, plan_, **bins, nullptr, options_);
    return rows.ok() ? Describe(*rows) : rows.status().ToString();
  };
  const std::string whole = load();
  (*bins)->rows = 1;
  EXPECT_TRUE(load() == whole);
}

}  // namespace
}  // namespace ps
