// Which rows a job holds out, as its plan tells the nodes. Any thread.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/config/job_config.h"
#include "models/data/row_split.h"
#include "ps/wire/message.h"

namespace ps {

inline void PlanSplit(const JobConfig& config, wire::Plan* plan) {
  plan->set_seed(config.train.seed);
  plan->set_valid(config.data.split.valid);
  plan->set_valid_fold(static_cast<std::uint32_t>(config.data.split.valid_fold));
  plan->set_test(config.data.split.test);
  plan->set_keep_negatives(config.data.keep_negatives);
  if (config.data.split.train_part < 1) plan->set_train_part(config.data.split.train_part);
}

// InvalidArgument where there are no such parts.
inline absl::StatusOr<RowSplit> SplitOf(const wire::Plan& plan) {
  constexpr double kRounding = 1e-9;
  const double valid = plan.valid(), test = plan.test();
  const bool parts =
      valid >= 0 && test >= 0 && test + (plan.valid_fold() + 1.0) * valid <= 1 + kRounding;
  if (!parts || (valid == 0 && plan.valid_fold() > 0)) {
    return absl::InvalidArgumentError("the scheduler's plan holds out more rows than there are");
  }
  const SplitConfig split{.valid = valid,
                          .test = test,
                          .valid_fold = static_cast<int>(plan.valid_fold()),
                          .train_part = plan.train_part() > 0 ? plan.train_part() : 1};
  return RowSplit(plan.seed(), split, plan.keep_negatives());
}

}  // namespace ps
