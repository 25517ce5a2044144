// What there is before the first tree: models to start from, bins, rows.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/cuda/device.h"
#include "models/gbdt/booster.h"
#include "ps/base/status_macros.h"
#include "ps/wire/curve.h"
#include "trainer/gbdt/gbdt_trainer_run.h"
#include "trainer/gbdt/monotone_columns.h"
#include "trainer/gbdt/start_trees.h"
#include "trainer/gbdt/target_planner.h"

namespace ps {

absl::Status GbdtTrainer::Run::LoadFiles(const char* part, const DataFiles& files, const LoadOptions& options, HeldOut* to) {
  BinPlan plan = *bins_;
  plan.rows = 0;  // its own are not counted yet
  LoadOptions of_these = options;
  of_these.held_out = true;
  PS_ASSIGN_OR_RETURN(LoadedRows loaded, cache_.Load(files, plan_, plan, nullptr, of_these));
  if (loaded.good_rows == 0)
    return absl::InvalidArgumentError(absl::StrCat(part, ".files: all rows are malformed. The first of them:\n", loaded.bad_row_text));
  if (loaded.bad_rows > 0) reporter_.Say(loaded.bad_row_text);
  to->rows = std::move(loaded.train);
  return absl::OkStatus();
}

absl::Status GbdtTrainer::Run::CheckDevice() const {
  const bool here = !cluster_ || cluster_->listen.empty();  // workers elsewhere look for their own
  if (job_.config.device != "cuda" || !here) return absl::OkStatus();
  const absl::Status job = cluster_ ? absl::OkStatus() : CheckJobForDevice(job_.config);
  if (!job.ok()) return NoDeviceError(job);
  return ps::CheckDevice(job_.config.device, cluster_ ? DeviceChoice::kAny : DeviceChoice::kFirst);
}

absl::Status GbdtTrainer::Run::Check() {
  PS_RETURN_IF_ERROR(CheckDevice());
  PS_RETURN_IF_ERROR(ReadStart());
  if (cluster_) PS_RETURN_IF_ERROR(ReadCurveKeys(job_.config.cluster.curve_key_file).status());
  const TreeModel* const start = start_ ? &*start_ : nullptr;
  PS_ASSIGN_OR_RETURN(progress_, TreeProgress::Open(job_, start, base_.get(), say_, TreeProgress::Where::kCheckpoint));
  // Of softmax, trees a round are known only with the classes that the rows have.
  return softmax_ ? absl::OkStatus() : CheckFinished(progress_->trees());
}

absl::Status GbdtTrainer::Run::Load() {
  if (!plan_.ParseFromString(job_.extractor->Serialize()))
    return absl::InternalError("the plan cannot be read back");
  const JobConfig& config = job_.config;
  PS_RETURN_IF_ERROR(CheckDevice());  // before anything is read
  LoadOptions options;
  options.max_bins = config.model.gbdt.max_bins;
  options.seed = config.train.seed;
  options.threads = job_.threads;
  options.max_bad_rows = config.data.max_bad_rows;
  options.absent_is_zero = config.model.gbdt.absent_is_zero;
  options.labels = softmax_ ? LabelRule::kClass : squared_ ? LabelRule::kNumber : LabelRule::kBinary;
  options.classes = config.data.label.classes;
  options.stop = &stop_;
  PS_RETURN_IF_ERROR(ReadStart());
  if (start_) options.start = &*start_;
  if (start_ && softmax_) options.classes = start_->classes;
  options.base = base_.get();
  options.base_offset = offset_;
  options.start_cuts = refits();
  const RowSplit split(config.train.seed, config.data.split, config.data.keep_negatives);
  options.targets = {config.model.gbdt.target_encoding && !softmax_ && !refits(), config.model.gbdt.target_columns,
                     config.model.gbdt.target_smooth, &split};
  PS_ASSIGN_OR_RETURN(progress_, TreeProgress::Open(job_, options.start, options.base, say_));
  PS_ASSIGN_OR_RETURN(bins_, progress_->ReadBins(plan_));
  if (bins_ == nullptr) {
    PS_ASSIGN_OR_RETURN(bins_, cache_.Plan(job_.train, plan_, options));
  }
  options.targets.split = nullptr;
  PS_ASSIGN_OR_RETURN(trees_, progress_->Begin(*bins_));
  if (!bins_->odd_texts.empty()) reporter_.Say(bins_->odd_texts);
  if (const std::string targets = DescribeTargets(*bins_); !targets.empty())
    reporter_.Say(absl::StrCat("columns as the mean label of their categories: ", targets));
  if (!bins_->not_by_target.empty()) reporter_.Say(bins_->not_by_target);
  if (softmax_) {
    params_.classes = static_cast<std::uint32_t>(bins_->classes.size());
    reporter_.Say(absl::StrCat("classes ", DescribeClasses(bins_->classes)));
  }
  if (start_) PlaceStart(&options);
  PS_RETURN_IF_ERROR(SetDirections(config.model.gbdt, bins_.get()));
  BoostParams params = params_;
  params.first_tree = goes_on() ? start_->trees.size() : 0;
  if (!trees_.empty()) reporter_.Say(absl::StrCat("going on after ", trees_.size(), " trees of an earlier run"));
  const TreeJob job{&job_, &plan_, bins_.get(), params, options, offset_, &crew_, options.start, &cache_, &trees_,
                    progress_->session()};
  maker_ = cluster_ ? MakeClusterTrees(job, *cluster_) : MakeEmbeddedTrees(job);
  LoadedRows held_out;
  PS_ASSIGN_OR_RETURN(train_, maker_->Load(&held_out));
  PS_RETURN_IF_ERROR(Kept(progress_->SetRows(train_.sums)));
  result_.bad_rows = train_.bad_rows;
  result_.rows_dropped = train_.dropped;
  if (train_.bad_rows > 0) reporter_.Say(train_.bad_row_text);
  for (const std::string& text : {train_.device_text, train_.distribution_text}) {
    if (!text.empty()) reporter_.Say(text);
  }
  valid_.rows = std::move(held_out.valid);
  test_.rows = std::move(held_out.test);
  if (job_.valid) PS_RETURN_IF_ERROR(LoadFiles("data.valid", *job_.valid, options, &valid_));
  if (job_.test) PS_RETURN_IF_ERROR(LoadFiles("data.test", *job_.test, options, &test_));
  return absl::OkStatus();
}

absl::Status GbdtTrainer::Run::ReadStart() {
  PS_ASSIGN_OR_RETURN(base_, OpenBaseModel(job_.config));
  if (base_ != nullptr) {
    reporter_.Say(absl::StrCat("trees begin with the margins of ",
                               job_.config.model.gbdt.base_model));
  }
  PS_ASSIGN_OR_RETURN(start_, OpenStartTrees(job_, params_.objective, offset_));
  if (!start_) return absl::OkStatus();
  if (refits() && start_->trees.empty())
    return absl::InvalidArgumentError("model.warm_start: there are no trees to fit again");
  reporter_.Say(absl::StrCat(refits() ? "fitting again " : "going on from ", start_->trees.size(),
                             " trees of ", job_.config.model.warm_start));
  if (start_->has_targets()) {
    reporter_.Say(
        "warning: the model of model.warm_start has columns as the mean label of their categories: "
        "rows that it has learnt know their own labels through them; give later rows");
  }
  return absl::OkStatus();
}

// The trees to start from get the columns of the bins, and rows are scored with them while they are read.
void GbdtTrainer::Run::PlaceStart(LoadOptions* options) {
  PlaceStartTrees(*bins_, &*start_);
  if (refits()) return SetBinsOfThresholds(*bins_, &*start_);
  start_margins_ = std::make_unique<TreePredictor>(*start_);
  options->start_margins = start_margins_.get();
}

absl::Status GbdtTrainer::Run::CheckLabels() const {
  if (train_.sums.rows == 0)
    return absl::InvalidArgumentError("data.train: there are no rows to learn from");
  if (train_.sums.lowest == train_.sums.highest) {
    reporter_.Say(OneLabelOfTrees(job_.config.model.gbdt, /*seen_all=*/true));
  }
  return absl::OkStatus();
}

}  // namespace ps
