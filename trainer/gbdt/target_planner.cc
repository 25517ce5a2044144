#include "trainer/gbdt/target_planner.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::uint64_t kBlockBytes = 512 << 10;
// Of fewer rows a category's mean is noise, and trees do better on the commonest categories (docs/gbdt.md).
constexpr std::uint64_t kRowsOfACategory = 5;

bool StartKnows(const LoadOptions& options, const std::string& name) {
  return options.start != nullptr &&
         std::any_of(options.start->columns.begin(), options.start->columns.end(),
                     [&](const TreeColumn& column) { return column.name == name; });
}

class TargetReader {
 public:
  TargetReader(const DataFiles& files, const features::Plan& plan, const LoadOptions& options,
               float largest_label, const BinPlan& bins)
      : files_(files),
        options_(options),
        parser_(MakeTableValues(plan, bins.sources, {options.labels, nullptr})) {
    const double unit = TargetUnit(options.labels == LabelRule::kNumber, largest_label);
    for (const ValueColumn& source : bins.sources) {
      if (source.by_target) asked_.push_back(source.target == nullptr);
    }
    tables_.resize(static_cast<std::size_t>(options.threads));
    for (std::vector<TargetTable>& of_thread : tables_)
      of_thread.assign(asked_.size(), TargetTable(unit, options.targets.smooth));
    status_.resize(tables_.size());
  }

  // A table for each column with target statistics; empty of those that have one.
  absl::StatusOr<std::vector<TargetTable>> Run() {
    const std::unique_ptr<BlockStream> stream = BlockStream::Create(files_, kBlockBytes);
    std::vector<std::thread> others;
    for (std::size_t t = 1; t < tables_.size(); ++t)
      others.emplace_back([this, t, &stream] { status_[t] = ReadBlocks(stream.get(), &tables_[t]); });
    status_[0] = ReadBlocks(stream.get(), &tables_[0]);
    for (std::thread& thread : others) thread.join();
    for (const absl::Status& status : status_) PS_RETURN_IF_ERROR(status);
    if (Stopped()) return absl::CancelledError("stopped while reading");
    for (std::size_t t = 1; t < tables_.size(); ++t) {
      for (std::size_t c = 0; c < asked_.size(); ++c) tables_[0][c].Merge(tables_[t][c]);
      tables_[t].clear();
    }
    return std::move(tables_[0]);
  }

 private:
  bool Stopped() const { return options_.stop != nullptr && options_.stop->load(); }

  absl::Status ReadBlocks(BlockStream* stream, std::vector<TargetTable>* tables) const {
    BlockStream::Block block;
    ValueRows rows;
    while (!Stopped()) {
      PS_ASSIGN_OR_RETURN(const bool more, stream->Next(&block));
      if (!more) break;
      rows.Clear();
      parser_->Parse(block.text, {block.file, block.offset}, RowSample(), &rows);
      Add(rows, tables);
    }
    return absl::OkStatus();
  }

  void Add(const ValueRows& rows, std::vector<TargetTable>* tables) const {
    const RowBlock& of = rows.rows;
    for (std::size_t r = 0; r < of.rows(); ++r) {
      if (!of.weight.empty() && of.weight[r] == 0) continue;
      const RowSplit* const split = options_.targets.split;
      if (split != nullptr &&
          split->PartOf({of.file, of.row_offset[r]}, of.label[r]) != Part::kTrain) {
        continue;
      }
      const std::uint32_t fold = TargetFold(options_.seed, of.file, of.row_offset[r]);
      for (std::size_t c = 0; c < asked_.size(); ++c) {
        TargetTable& table = (*tables)[c];
        // One more than there may be says that there are too many.
        if (asked_[c] && table.categories() <= kMostTargetCategories)
          table.Add(rows.targets[r * asked_.size() + c], fold, of.label[r]);
      }
    }
  }

  const DataFiles& files_;
  const LoadOptions& options_;
  const std::unique_ptr<ValueParser> parser_;
  std::vector<bool> asked_;                       // by column with target statistics
  std::vector<std::vector<TargetTable>> tables_;  // by thread
  std::vector<absl::Status> status_;
};

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
      return absl::InvalidArgumentError(absl::StrCat(
          "model.gbdt.target_columns: the trees of model.warm_start know column ", shown,
          " without target statistics; remove it from the list"));
    }
    at->kind = ColumnKind::kNumber;
    at->by_target = true;
  }
  return absl::OkStatus();
}

absl::Status MakeTargetTables(const DataFiles& files, const features::Plan& plan,
                              const LoadOptions& options, const std::vector<std::size_t>& distinct,
                              float largest_label, BinPlan* bins) {
  std::vector<bool> chosen(bins->sources.size());  // by themselves, not by name
  bool reads = false;
  for (std::size_t c = 0; c < chosen.size(); ++c) {
    ValueColumn& source = bins->sources[c];
    chosen[c] = options.targets.automatic && source.kind == ColumnKind::kCategory &&
                distinct[c] > static_cast<std::size_t>(options.max_bins) &&
                !StartKnows(options, source.name);
    source.by_target |= chosen[c];
    reads |= source.by_target && source.target == nullptr;
  }
  std::vector<TargetTable> tables;
  if (reads) {
    PS_ASSIGN_OR_RETURN(tables, TargetReader(files, plan, options, largest_label, *bins).Run());
  }
  std::size_t next = 0;
  for (std::size_t c = 0; c < chosen.size(); ++c) {
    ValueColumn& source = bins->sources[c];
    if (!source.by_target) continue;
    const std::size_t place = next++;
    if (source.target == nullptr) {
      TargetTable& table = tables[place];
      if (table.categories() > kMostTargetCategories) {
        if (!chosen[c]) {
          return absl::ResourceExhaustedError(absl::StrCat(
              "model.gbdt.target_columns: column ", source.name, " has more than ",
              kMostTargetCategories, " categories; remove it from the list"));
        }
        source.by_target = false;
        continue;
      }
      if (chosen[c] && table.rows() < kRowsOfACategory * table.categories()) {
        source.by_target = false;
        continue;
      }
      source.target = std::make_shared<const TargetTable>(std::move(table));
    }
    BinColumn& column = bins->columns[c];
    source.kind = column.kind = ColumnKind::kNumber;
    source.bins = nullptr;
    column.categories.clear();
    bins->category_bins[c].clear();
    column.cuts = ChooseCuts(source.target->Values(), options.max_bins, 1);
  }
  return absl::OkStatus();
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
