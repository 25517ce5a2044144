#include "trainer/job_plan.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "models/data/bad_rows.h"
#include "models/features/plan.h"
#include "ps/base/cgroup.h"
#include "ps/base/status_macros.h"
#include "trainer/data_sample.h"
#include "trainer/front_check.h"
#include "trainer/pass_log.h"
#include "trainer/progress/progress_line.h"

namespace ps {
namespace {

// Embedded: a 12-byte index cell and two floats of state a feature, at the table's mean load.
constexpr double kBytesPerFeature = 12.8 / 0.79 + 8;
// Of models that matter here, a tuned job has four lanes at most (trainer/tuning/tuner.cc).
constexpr double kTuningBytesPerFeature = 3 * 8;
// newton_cg: the rows, by rows and by columns, and what it solves with. A place and a value each way.
constexpr double kSolvingBytesPerEntry = 8, kSolvingBytesPerValue = 8, kSolvingBytesPerRow = 60, kSolvingBytesPerFeature = 115;
// What the 64 segments of the index's 256 slots hold.
constexpr double kMostFeatures = 2.2e9;
constexpr std::uint64_t kFixedBytes = 48u << 20;  // program, buffers of the threads, metrics

// Distinct keys seen when the first half of the sample was read, and at its end: Heaps' law extrapolates.
struct DistinctGrowth {
  double half_rows = 0, half = 0, rows = 0, all = 0;
  double At(double total_rows) const {
    if (half < 1 || all <= half || total_rows <= rows) return all;
    const double exponent = std::clamp(std::log(all / half) / std::log(rows / half_rows), 0.0, 1.0);
    return all * std::pow(total_rows / rows, exponent);
  }
};

// What trees make of a column, as far as it is known before the rows are read.
std::string UseByTrees(const features::Plan& plan, const GbdtConfig& gbdt, std::uint32_t column) {
  if (column == plan.label_column()) {
    return gbdt.objective == "squared" ? "label, a number" : gbdt.objective == "softmax" ? "label, one of several classes" : "";
  }
  const features::Column& declared = plan.column(static_cast<int>(column));
  const bool by_target = std::any_of(gbdt.target_columns.begin(), gbdt.target_columns.end(), [&](const ColumnRef& ref) {
    return ref.index < 0 ? ref.name == declared.name() : ref.index == static_cast<int>(column);
  });
  if (by_target) return "mean label of its text, a number";
  const bool number = std::any_of(plan.feature().begin(), plan.feature().end(), [column](const features::Feature& one) {
    return one.column() == column && one.op() != features::Feature::HASH;
  });
  if (number) return absl::StrCat("number, up to ", gbdt.max_bins, " bins");
  if (declared.distinct() <= static_cast<std::uint64_t>(gbdt.max_bins)) return "category";
  const bool may_be_number = gbdt.target_encoding && gbdt.objective != "softmax" && !gbdt.refit;
  return absl::StrCat("category, the commonest ", gbdt.max_bins,
                      may_be_number ? "; or mean label of its text (model.gbdt.target_encoding)" : "");
}

std::string DescribeColumns(const PreparedJob& job) {
  const GbdtConfig& gbdt = job.config.model.gbdt;
  features::Plan plan;
  if (job.config.model.type != "gbdt" || !plan.ParseFromString(job.extractor->Serialize()))
    return job.extractor->Describe();
  if (plan.column_size() > 0)
    return DescribePlan(plan, [&](std::uint32_t column) { return UseByTrees(plan, gbdt, column); });
  return absl::StrCat(DescribePlan(plan), "every index is a number, up to ", gbdt.max_bins, " bins\n");
}

// Errors of reading it only.
absl::Status LookAtFront(const PreparedJob& job, const RowParser& parser, JobPlan* plan) {
  RowBlock block;
  const auto read = [&](std::string_view text, TextOrigin origin) -> const RowBlock& {
    block.Clear();
    parser.Parse(text, origin, &block);
    return block;
  };
  BadRows rows(&job.train, job.config.data.max_bad_rows);
  plan->front = CheckFront(job.train, kLinearBlockBytes, read, &rows);
  if (!plan->front.ok() && !absl::IsInvalidArgument(plan->front)) return plan->front;
  plan->bad_rows = DescribeMalformed(rows, "at the front", /*whole=*/false, job.config.data.max_bad_rows);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<JobPlan> PlanJob(const PreparedJob& job) {
  JobPlan plan;
  plan.stored_bytes = job.train.stored_bytes();
  plan.memory_limit = static_cast<std::uint64_t>(EffectiveMemory().limit_bytes);
  const std::unique_ptr<RowParser> parser = job.extractor->MakeParser();
  PS_ASSIGN_OR_RETURN(const DataSample sample, SampleData(job.train));
  plan.exact = sample.whole;
  BadRows bad_rows(&job.train, job.config.data.max_bad_rows);
  std::unordered_set<Key> distinct;
  DistinctGrowth growth;
  RowBlock rows;
  double count = 0, positives = 0, features = 0;
  bool values = false;
  for (std::size_t i = 0; i < sample.pieces.size(); ++i) {
    const DataSample::Piece& piece = sample.pieces[i];
    rows.Clear();
    parser->Parse(piece.text, {piece.file, piece.offset}, &rows);
    bad_rows.Add(rows);
    count += static_cast<double>(rows.rows());
    features += static_cast<double>(rows.features());
    for (float label : rows.label) positives += label;
    values |= !rows.value.empty();
    distinct.insert(rows.key.begin(), rows.key.end());
    if (i + 1 <= (sample.pieces.size() + 1) / 2) {
      growth.half_rows = count;
      growth.half = static_cast<double>(distinct.size());
    }
  }
  const double allowed = job.config.data.max_bad_rows;
  // A part of the data says nothing of the fraction in all of it.
  if (plan.exact) {
    PS_RETURN_IF_ERROR(bad_rows.Check(true));
    if (bad_rows.rows() == 0) return NoRowsError(bad_rows);
  }
  // But for what is wrong though the rest were without fault, and twice as many rows as the sample lets expect.
  const double seen = static_cast<double>(bad_rows.rows() + bad_rows.bad_rows());
  if (!plan.exact && static_cast<double>(bad_rows.bad_rows()) > allowed * 2 * seen / sample.part) {
    PS_RETURN_IF_ERROR(bad_rows.Check(true));
  }
  if (!plan.exact) PS_RETURN_IF_ERROR(LookAtFront(job, *parser, &plan));
  absl::StrAppend(&plan.bad_rows, DescribeMalformed(bad_rows, plan.exact ? "that were looked at" : "that were looked at all over the data",
                                                    plan.exact, allowed));
  plan.one_label = count > 0 && (positives == 0 || positives == count);
  growth.rows = count;
  growth.all = static_cast<double>(distinct.size());
  if (count > 0) {
    plan.rows = plan.exact ? count : count / sample.part;
    plan.positives = positives / count;
    plan.features_per_row = features / count;
    plan.features = growth.At(plan.rows);
  }
  // Early stopping keeps a copy of the best state.
  const double bytes = kBytesPerFeature + (job.config.train.early_stopping ? 8 : 0) +
                       (job.config.model.tune ? kTuningBytesPerFeature : 0);
  plan.memory_bytes = kFixedBytes + static_cast<std::uint64_t>(plan.features * bytes);
  if (!job.config.model.tune && job.config.model.optimizer.type == OptimizerType::kNewtonCg) {
    const double entry = kSolvingBytesPerEntry + (values ? kSolvingBytesPerValue : 0);
    plan.keeps_rows = true;
    plan.memory_bytes += static_cast<std::uint64_t>(plan.rows * ((plan.features_per_row + 1) * entry + kSolvingBytesPerRow) + plan.features * kSolvingBytesPerFeature);
  }
  return plan;
}

bool MayExceedMemory(const PreparedJob& job) {
  if (!job.config.model.tune && job.config.model.optimizer.type == OptimizerType::kNewtonCg) return true;  // rows in memory
  if (job.config.cluster.servers > 0) return false;  // the servers' memory, which is not known here
  if (job.config.model.min_count > 1) return false;  // how many features are left out is not known before
  // A feature takes at least about four bytes of text, compressed data a quarter of that.
  const double features = static_cast<double>(job.train.stored_bytes());
  const double bytes = kBytesPerFeature + (job.config.model.tune ? kTuningBytesPerFeature : 0);
  return features * bytes > static_cast<double>(EffectiveMemory().limit_bytes);
}

std::string DescribeJob(const PreparedJob& job) {
  std::string text = absl::StrFormat(
      "job %s: %s\ndata: %d file%s, %s stored\n", job.config.job, job.nodes, job.train.files().size(),
      job.train.files().size() == 1 ? "" : "s",
      FormatBytes(static_cast<std::int64_t>(job.train.stored_bytes())));
  if (job.config.model.tune)
    text += "model: lr, tune: auto: 16 settings at first, one in the end\n";
  if (job.start_features) absl::StrAppend(&text, "features: those of model.warm_start ", job.config.model.warm_start, "\n");
  text += DescribeColumns(job);
  if (text.back() != '\n') text += '\n';
  return text;
}

std::string DescribePlan(const PreparedJob& job, const JobPlan& plan) {
  const auto estimate = [&](double value) {
    return plan.exact ? FormatCount(static_cast<std::uint64_t>(value))
                      : absl::StrCat("about ", FormatShort(value));
  };
  return absl::StrFormat(
      "%srows: %s, %.2f %% positive, %.1f features a row\n%s%sfeatures: %s distinct\n"
      "memory: %s needed, %s allowed\n",
      DescribeJob(job), estimate(plan.rows), 100 * plan.positives, plan.features_per_row,
      plan.one_label ? OneLabelWarning("data.label.positive", plan.exact) + "\n" : "", plan.bad_rows,
      estimate(plan.features), FormatBytes(static_cast<std::int64_t>(plan.memory_bytes)),
      FormatBytes(static_cast<std::int64_t>(plan.memory_limit)));
}

absl::Status CheckPlan(const JobPlan& plan) {
  if (plan.features > kMostFeatures) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "about %s features are more than one process holds: use servers (cluster.servers)",
        FormatShort(plan.features)));
  }
  if (plan.memory_limit == 0 || plan.memory_bytes <= plan.memory_limit) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrFormat(
      "the model needs about %s of memory for %s features%s, and this process may use %s: use more memory or %s",
      FormatBytes(static_cast<std::int64_t>(plan.memory_bytes)), FormatShort(plan.features),
      plan.keeps_rows ? absl::StrFormat(" and %s rows", FormatShort(plan.rows)) : "",
      FormatBytes(static_cast<std::int64_t>(plan.memory_limit)),
      plan.keeps_rows ? "another model.optimizer.type, which keeps no rows" : "servers (cluster.servers)"));
}

}  // namespace ps
