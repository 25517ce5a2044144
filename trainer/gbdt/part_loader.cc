#include "trainer/gbdt/part_loader.h"

#include <atomic>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "models/bundle/bundle.h"
#include "models/features/plan.h"
#include "models/gbdt/base_model.h"
#include "models/gbdt/predictor.h"
#include "models/gbdt/target_table.h"
#include "ps/base/status_macros.h"
#include "ps/trees/tree_codec.h"
#include "trainer/gbdt/bin_cache.h"
#include "trainer/planned_split.h"

namespace ps {
namespace {

absl::StatusOr<std::unique_ptr<TreePredictor>> StartTreesOf(const wire::TreePlan& plan,
                                                            const BinPlan& bins) {
  if (plan.start_trees().empty()) return nullptr;
  PS_ASSIGN_OR_RETURN(const TreeModel model, TreeModel::Parse(plan.start_trees()));
  bool fits = model.columns.size() == bins.columns.size() && model.classes == bins.classes;
  for (std::size_t c = 0; fits && c < model.columns.size(); ++c)
    fits = model.columns[c].kind == bins.columns[c].kind;
  if (!fits)
    return absl::InvalidArgumentError("the scheduler's trees to start from are not of its columns");
  return std::make_unique<TreePredictor>(model);
}

absl::StatusOr<std::unique_ptr<BaseModel>> BaseOf(const wire::TreePlan& plan) {
  if (plan.base_model().empty()) return nullptr;
  const auto within = [](const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat("model.gbdt.base_model: ", status.message()));
  };
  absl::StatusOr<std::unique_ptr<Bundle>> bundle = Bundle::Open(plan.base_model());
  if (!bundle.ok()) return within(bundle.status());
  absl::StatusOr<std::unique_ptr<BaseModel>> base = BaseModel::FromLinear(*std::move(bundle));
  if (!base.ok()) return within(base.status());
  if ((*base)->Digest() != plan.base_digest()) {
    return absl::DataLossError(absl::StrCat("model.gbdt.base_model: ", plan.base_model(),
                                            " is not the one that the scheduler has read"));
  }
  return base;
}

class ThreadedLoader final : public PartLoader {
 public:
  ThreadedLoader(DataFiles files, features::Plan features, std::unique_ptr<BinPlan> bins,
                 const RowSplit& split, PartWanted wanted, const LoadOptions& options,
                 const wire::TreePlan& plan)
      : files_(std::move(files)),
        features_(std::move(features)),
        bins_(std::move(bins)),
        split_(split),
        wanted_(std::move(wanted)),
        cache_(
            plan.cache(), [](const std::string& line) { LOG(INFO) << line; },
            [](const std::string& line) { LOG(WARNING) << line; }),
        options_(options) {
    options_.part = wanted_.part;
    options_.parts = wanted_.parts;
    if (wanted_.columns) options_.columns = &*wanted_.columns;
    if (!wanted_.base_scores.empty()) options_.grown = {&wanted_.trees, &wanted_.base_scores};
    options_.stop = &stop_;
    thread_ = std::thread([this, plan] {
      loaded_ = Load(plan);
      done_.store(true, std::memory_order_release);
    });
  }
  ~ThreadedLoader() override {
    stop_.store(true);
    thread_.join();
  }

  std::optional<absl::StatusOr<LoadedPart>> Poll() override {
    if (!done_.load(std::memory_order_acquire)) return std::nullopt;
    return std::move(loaded_);
  }

 private:
  absl::StatusOr<LoadedPart> Load(const wire::TreePlan& plan) {
    PS_ASSIGN_OR_RETURN(LoadedRows loaded, Read(plan));
    LoadedPart part;
    part.rows = std::move(loaded.train);
    part.round_margins = std::move(loaded.round_margins);
    part.dropped = loaded.dropped;
    part.good_rows = loaded.good_rows;
    part.bad_rows = loaded.bad_rows;
    part.bad_row_text = std::move(loaded.bad_row_text);
    if (wanted_.prepare) PS_RETURN_IF_ERROR(wanted_.prepare(&part));
    return part;
  }

  absl::StatusOr<LoadedRows> Read(const wire::TreePlan& plan) {
    PS_ASSIGN_OR_RETURN(const std::unique_ptr<TreePredictor> trees, StartTreesOf(plan, *bins_));
    PS_ASSIGN_OR_RETURN(const std::unique_ptr<BaseModel> base, BaseOf(plan));
    LoadOptions options = options_;
    options.start_margins = trees.get();
    options.base = base.get();
    options.base_offset = plan.base_offset();
    // Columns of all rows are not what is kept.
    if (wanted_.columns) return LoadRows(files_, features_, *bins_, &split_, options);
    return cache_.Load(files_, features_, *bins_, &split_, options);
  }

  const DataFiles files_;
  const features::Plan features_;
  const std::unique_ptr<BinPlan> bins_;
  const RowSplit split_;
  const PartWanted wanted_;
  const BinCache cache_;
  LoadOptions options_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> done_{false};
  absl::StatusOr<LoadedPart> loaded_ = absl::UnknownError("");  // the thread's, until done_
  std::thread thread_;
};

constexpr std::uint64_t kMostMatrixBytes = std::uint64_t{1} << 44;

// Whether every column is one of the rows' own, and the rows can be as many as is said.
bool Fits(const wire::TreePlan& plan, const features::Plan& features) {
  const bool libsvm = features.format() == "libsvm";
  if (plan.columns_size() == 0 || plan.libsvm() != libsvm || (plan.sparse() && !libsvm) ||
      !HasValidClasses(plan)) {
    return false;
  }
  if (!plan.sparse() && ((libsvm && plan.columns_size() > static_cast<int>(kMostDenseColumns)) ||
                         plan.lines() > kMostMatrixBytes / DenseStride(plan.columns_size()))) {
    return false;
  }
  std::uint64_t next = 0;  // columns come by ascending source
  const std::uint64_t end =
      libsvm ? kMostSparseColumns : static_cast<std::uint64_t>(features.column_size());
  for (const wire::TreePlan::Column& column : plan.columns()) {
    if (column.source() < next || column.source() >= end || (libsvm && column.category()) ||
        (!column.target().empty() && (libsvm || column.category()))) {
      return false;
    }
    next = std::uint64_t{column.source()} + 1;
  }
  return true;
}

}  // namespace

void SetBinPlan(const BinPlan& bins, wire::TreePlan* plan) {
  SetColumns(bins.columns, plan);
  for (std::size_t c = 0; c < bins.sources.size(); ++c) {
    wire::TreePlan::Column* const column = plan->mutable_columns(static_cast<int>(c));
    column->set_source(bins.sources[c].source);
    column->set_text_is_missing(bins.sources[c].text_is_missing);
    if (bins.sources[c].target == nullptr) continue;
    trees::Target target;
    bins.sources[c].target->Write(/*folds=*/true, &target);
    column->set_target(target.SerializeAsString());
  }
  plan->set_sparse(bins.sparse);
  plan->set_libsvm(bins.libsvm);
  plan->set_lines(bins.rows);
  for (const std::string& name : bins.classes) plan->add_classes(name);
}

absl::StatusOr<std::unique_ptr<BinPlan>> BinPlanOf(const wire::TreePlan& plan,
                                                   const features::Plan& features) {
  if (!Fits(plan, features))
    return absl::InvalidArgumentError("the scheduler's plan of trees is not one of these features");
  auto bins = std::make_unique<BinPlan>();
  std::optional<std::vector<BinColumn>> columns = ColumnsOf(plan);
  if (!columns) return absl::InvalidArgumentError("the scheduler's plan of trees is none");
  bins->columns = *std::move(columns);
  bins->sparse = plan.sparse();
  bins->libsvm = plan.libsvm();
  bins->rows = plan.lines();
  bins->classes.assign(plan.classes().begin(), plan.classes().end());
  bins->class_numbers = NumberClasses(bins->classes);
  if (plan.libsvm()) {
    // Indices may be far apart: what travels is the columns' own.
    for (int c = 0; c < plan.columns_size(); ++c) {
      const std::uint32_t index = plan.columns(c).source();
      if (index >= bins->column_of_index.size())
        bins->column_of_index.resize(std::size_t{index} + 1, BinPlan::kNoColumn);
      bins->column_of_index[index] = static_cast<std::uint32_t>(c);
    }
  }
  bins->category_bins.resize(bins->columns.size());
  for (std::size_t c = 0; c < bins->columns.size(); ++c) {
    const wire::TreePlan::Column& from = plan.columns(static_cast<int>(c));
    const BinColumn& column = bins->columns[c];
    ValueColumn source{from.source(), column.kind, column.name, from.text_is_missing(), nullptr, false, nullptr};
    if (!from.target().empty()) {
      trees::Target written;
      std::optional<TargetTable> target;
      if (written.ParseFromString(from.target())) target = TargetTable::Read(written);
      if (!target)
        return absl::InvalidArgumentError("the scheduler's plan of trees has no target statistics of rows");
      source.by_target = true;
      source.target = std::make_shared<const TargetTable>(*std::move(target));
    }
    for (std::size_t i = 0; i < column.categories.size(); ++i)
      bins->category_bins[c].emplace(column.categories[i], static_cast<std::uint8_t>(i + 1));
    if (column.kind == ColumnKind::kCategory) source.bins = &bins->category_bins[c];
    bins->sources.push_back(std::move(source));
  }
  return bins;
}

absl::StatusOr<std::unique_ptr<PartLoader>> StartPartLoader(DataFiles files, const wire::Plan& plan,
                                                            PartWanted wanted, int threads) {
  features::Plan features;
  if (!features.ParseFromString(plan.extractor()))
    return absl::InvalidArgumentError("the scheduler's plan of the features is none");
  PS_RETURN_IF_ERROR(ValidatePlan(features));
  PS_ASSIGN_OR_RETURN(std::unique_ptr<BinPlan> bins, BinPlanOf(plan.trees(), features));
  LoadOptions options;
  options.seed = plan.seed();
  options.threads = threads;
  options.max_bad_rows = 1;  // the coordinator judges those of all parts
  options.absent_is_zero = plan.trees().absent_is_zero();
  options.labels = plan.trees().classes_size() > 0 ? LabelRule::kClass
                   : plan.trees().squared()        ? LabelRule::kNumber
                                                   : LabelRule::kBinary;
  options.wanted = RowsWanted::kTrain;
  PS_ASSIGN_OR_RETURN(const RowSplit split, SplitOf(plan));
  return std::make_unique<ThreadedLoader>(std::move(files), std::move(features), std::move(bins),
                                          split,
                                          std::move(wanted), options, plan.trees());
}

}  // namespace ps
