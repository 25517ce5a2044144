#include "trainer/gbdt/target_planner.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::uint64_t kBlockBytes = 512 << 10;
// Of fewer rows a category's mean is noise, and trees do better on the commonest categories
// (docs/gbdt.md).
constexpr std::uint64_t kRowsOfACategory = 5;
// Of those that the job names; a plan of 2 GiB is none.
constexpr std::size_t kNamedBytes = std::size_t{768} << 20;
// A category's key, rows and label, and the place, rows and label of a fold.
constexpr std::size_t kLeastCategoryBytes = 8 + 1 + 1 + 1 + 1 + 1;
// Of fewer categories a column's rows a category are counted to the end, and shown.
constexpr std::size_t kFewCategories = 1 << 16;

bool StartKnows(const LoadOptions& options, const std::string& name) {
  return options.start != nullptr &&
         std::any_of(options.start->columns.begin(), options.start->columns.end(),
                     [&](const TreeColumn& column) { return column.name == name; });
}

// A table of all threads, and what may become of it.
struct Wanted {
  std::size_t column;  // of the plan
  bool automatic;
  // Of more it is given up, and holds nothing: whichever rows are read first, as it never has
  // fewer.
  std::size_t most_categories;
  TargetTable table;
  bool given_up = false;
  std::size_t bytes = 0;  // in a plan
  std::mutex mutex{};
};

class TargetReader {
 public:
  // `wanted`: by column with target statistics; null of those that have a table.
  TargetReader(const DataFiles& files, const features::Plan& plan, const LoadOptions& options,
               const BinPlan& bins, const std::vector<std::unique_ptr<Wanted>>& wanted)
      : files_(files),
        options_(options),
        parser_(MakeTableValues(plan, bins.sources, {options.labels, nullptr})),
        wanted_(wanted) {}

  absl::Status Run() {
    const std::unique_ptr<BlockStream> stream = BlockStream::Create(files_, kBlockBytes);
    std::vector<absl::Status> status(static_cast<std::size_t>(options_.threads));
    std::vector<std::thread> others;
    for (std::size_t t = 1; t < status.size(); ++t)
      others.emplace_back([&, t] { status[t] = ReadBlocks(stream.get(), t); });
    status[0] = ReadBlocks(stream.get(), 0);
    for (std::thread& thread : others) thread.join();
    for (const absl::Status& of_thread : status) PS_RETURN_IF_ERROR(of_thread);
    if (Stopped()) return absl::CancelledError("stopped while reading");
    return absl::OkStatus();
  }

 private:
  static constexpr std::uint32_t kNotCounted = kTargetFolds;

  bool Stopped() const { return options_.stop != nullptr && options_.stop->load(); }

  absl::Status ReadBlocks(BlockStream* stream, std::size_t thread) const {
    BlockStream::Block block;
    ValueRows rows;
    std::vector<std::uint32_t> folds;
    while (!Stopped()) {
      PS_ASSIGN_OR_RETURN(const bool more, stream->Next(&block));
      if (!more) break;
      rows.Clear();
      parser_->Parse(block.text, {block.file, block.offset}, RowSample(), &rows);
      SetFolds(rows.rows, &folds);
      // Threads begin with different columns, and seldom wait for each other.
      for (std::size_t i = 0; i < wanted_.size(); ++i)
        Add(rows, folds, (i + thread) % wanted_.size());
    }
    return absl::OkStatus();
  }

  void SetFolds(const RowBlock& rows, std::vector<std::uint32_t>* folds) const {
    folds->resize(rows.rows());
    const RowSplit* const split = options_.targets.split;
    for (std::size_t r = 0; r < rows.rows(); ++r) {
      const bool counted = (rows.weight.empty() || rows.weight[r] != 0) &&
                           (split == nullptr || split->PartOf({rows.file, rows.row_offset[r]},
                                                              rows.label[r]) == Part::kTrain);
      (*folds)[r] =
          counted ? TargetFold(options_.seed, rows.file, rows.row_offset[r]) : kNotCounted;
    }
  }

  void Add(const ValueRows& rows, const std::vector<std::uint32_t>& folds,
           std::size_t place) const {
    if (wanted_[place] == nullptr) return;
    Wanted& wanted = *wanted_[place];
    const std::lock_guard<std::mutex> lock(wanted.mutex);
    for (std::size_t r = 0; r < folds.size() && !wanted.given_up; ++r) {
      if (folds[r] == kNotCounted) continue;
      wanted.table.Add(rows.targets[r * wanted_.size() + place], folds[r], rows.rows.label[r]);
      wanted.given_up = wanted.table.categories() > wanted.most_categories;
    }
    if (wanted.given_up && wanted.table.categories() > 0) wanted.table = TargetTable(1, 1);
  }

  const DataFiles& files_;
  const LoadOptions& options_;
  const std::unique_ptr<ValueParser> parser_;
  const std::vector<std::unique_ptr<Wanted>>& wanted_;
};

std::string Mebibytes(std::size_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1 << 20));
}

absl::Status CheckNamed(const std::vector<std::unique_ptr<Wanted>>& tables, const BinPlan& bins) {
  std::size_t bytes = 0;
  std::vector<std::string> names;
  for (const auto& wanted : tables) {
    if (wanted == nullptr || wanted->automatic) continue;
    const std::string& name = bins.sources[wanted->column].name;
    if (wanted->given_up) {
      return absl::ResourceExhaustedError(absl::StrCat("model.gbdt.target_columns: column ", name,
                                                       " has more than ", wanted->most_categories,
                                                       " categories; remove it from the list"));
    }
    bytes += wanted->bytes;
    names.push_back(absl::StrCat(name, " (", Mebibytes(wanted->bytes), ")"));
  }
  if (bytes <= kNamedBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "model.gbdt.target_columns: the statistics of ", absl::StrJoin(names, ", "),
      " are more than ", Mebibytes(kNamedBytes), " together; remove some from the list"));
}

// Why a column of its own choice stays categories, without regard to the others; or empty.
std::string ReasonAgainst(const Wanted& wanted) {
  if (wanted.given_up) return absl::StrCat("more than ", wanted.most_categories, " categories");
  const std::uint64_t rows = wanted.table.RowsOfCategories();
  const std::size_t categories = wanted.table.categories();
  if (categories == 0) return "no training row has one";
  if (rows >= kRowsOfACategory * categories) return "";
  return absl::StrFormat("%.1f rows a category",
                         static_cast<double>(rows) / static_cast<double>(categories));
}

// Removes the tables of the columns that are not taken. Small ones first; says why the others are
// not.
std::string TakeAutomatic(const BinPlan& bins, std::size_t most_bytes,
                          std::vector<std::unique_ptr<Wanted>>* tables) {
  std::vector<std::pair<std::size_t, std::string>> left;  // by column
  std::vector<std::unique_ptr<Wanted>*> good;
  for (std::unique_ptr<Wanted>& wanted : *tables) {
    if (wanted == nullptr || !wanted->automatic) continue;
    if (const std::string reason = ReasonAgainst(*wanted); reason.empty()) {
      good.push_back(&wanted);
    } else {
      left.emplace_back(wanted->column, reason);
      wanted = nullptr;
    }
  }
  std::stable_sort(good.begin(), good.end(),
                   [](const auto* a, const auto* b) { return (*a)->bytes < (*b)->bytes; });
  std::size_t bytes = 0;
  for (std::unique_ptr<Wanted>* const wanted : good) {
    bytes += (*wanted)->bytes;
    if (bytes <= most_bytes) continue;
    left.emplace_back(
        (*wanted)->column,
        absl::StrCat("its statistics of ", Mebibytes((*wanted)->bytes),
                     ", with those of smaller columns, are more than ", Mebibytes(most_bytes)));
    *wanted = nullptr;
  }
  std::sort(left.begin(), left.end());
  std::vector<std::string> texts;
  for (const auto& [column, reason] : left)
    texts.push_back(absl::StrCat(bins.sources[column].name, " stays categories: ", reason));
  return absl::StrJoin(texts, "; ");
}

std::size_t BytesOf(const TargetTable& table) {
  trees::Target written;
  table.Write(/*folds=*/true, &written);
  return written.ByteSizeLong();
}

}  // namespace

absl::Status MarkTargetColumns(const LoadOptions& options, std::vector<ValueColumn>* sources) {
  for (const ColumnRef& wanted : options.targets.columns) {
    const std::string shown = wanted.index < 0 ? wanted.name : absl::StrCat(wanted.index);
    const auto at = std::find_if(sources->begin(), sources->end(), [&](const ValueColumn& source) {
      return wanted.index < 0 ? source.name == wanted.name
                              : source.source == static_cast<std::uint32_t>(wanted.index);
    });
    if (at == sources->end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "model.gbdt.target_columns: there is no column ", shown, " among the features"));
    }
    if (at->by_target) continue;
    if (StartKnows(options, at->name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("model.gbdt.target_columns: the trees of model.warm_start know column ",
                       shown, " without target statistics; remove it from the list"));
    }
    at->kind = ColumnKind::kNumber;
    at->by_target = true;
  }
  return absl::OkStatus();
}

std::size_t MostAutomaticCategories(const TargetOptions& targets, std::uint64_t rows) {
  return std::min<std::size_t>(targets.most_bytes / kLeastCategoryBytes,
                               std::max<std::size_t>(kFewCategories, rows / kRowsOfACategory));
}

absl::Status MakeTargetTables(const DataFiles& files, const features::Plan& plan,
                              const LoadOptions& options, const std::vector<std::size_t>& distinct,
                              float largest_label, BinPlan* bins) {
  const double unit = TargetUnit(options.labels == LabelRule::kNumber, largest_label);
  const std::size_t most_automatic = MostAutomaticCategories(options.targets, bins->rows);
  std::vector<std::unique_ptr<Wanted>> tables;  // by column with target statistics
  bool reads = false;
  for (std::size_t c = 0; c < bins->sources.size(); ++c) {
    ValueColumn& source = bins->sources[c];
    // By themselves, not by name.
    const bool automatic = options.targets.automatic && source.kind == ColumnKind::kCategory &&
                           distinct[c] > static_cast<std::size_t>(options.max_bins) &&
                           !StartKnows(options, source.name);
    source.by_target |= automatic;
    if (!source.by_target) continue;
    tables.push_back(nullptr);
    if (source.target != nullptr) continue;
    reads = true;
    tables.back().reset(new Wanted{c, automatic, automatic ? most_automatic : kMostTargetCategories,
                                   TargetTable(unit, options.targets.smooth)});
  }
  if (reads) PS_RETURN_IF_ERROR(TargetReader(files, plan, options, *bins, tables).Run());
  for (const auto& wanted : tables) {
    if (wanted != nullptr) wanted->bytes = BytesOf(wanted->table);
  }
  PS_RETURN_IF_ERROR(CheckNamed(tables, *bins));
  bins->not_by_target = TakeAutomatic(*bins, options.targets.most_bytes, &tables);
  std::size_t next = 0;
  for (std::size_t c = 0; c < bins->sources.size(); ++c) {
    ValueColumn& source = bins->sources[c];
    if (!source.by_target) continue;
    const std::unique_ptr<Wanted> wanted = std::move(tables[next++]);
    if (source.target == nullptr && wanted == nullptr) {
      source.by_target = false;
      continue;
    }
    if (wanted != nullptr)
      source.target = std::make_shared<const TargetTable>(std::move(wanted->table));
    BinColumn& column = bins->columns[c];
    source.kind = column.kind = ColumnKind::kNumber;
    source.bins = nullptr;
    column.categories.clear();
    bins->category_bins[c].clear();
    column.cuts = ChooseCuts(source.target->Values(), options.max_bins, 1);
  }
  return absl::OkStatus();
}

std::string DescribeTargetSizes(const BinPlan& bins) {
  std::vector<std::string> columns;
  for (const ValueColumn& source : bins.sources) {
    if (source.target != nullptr)
      columns.push_back(absl::StrCat(source.name, " (", Mebibytes(BytesOf(*source.target)), ")"));
  }
  return absl::StrJoin(columns, ", ");
}

std::string DescribeTargets(const BinPlan& bins) {
  std::vector<std::string> columns;
  for (const ValueColumn& source : bins.sources) {
    if (source.target == nullptr) continue;
    columns.push_back(absl::StrCat(source.name, " (", source.target->categories(), ")"));
  }
  return absl::StrJoin(columns, ", ");
}

}  // namespace ps
