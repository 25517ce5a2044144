#include "trainer/prepared_job.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ps/base/cgroup.h"
#include "ps/base/status_macros.h"

namespace ps {

OptimizerParams ParamsOf(const OptimizerConfig& config) {
  OptimizerParams params;
  switch (config.type) {
    case OptimizerType::kFtrl: params.type = Optimizer::kFtrl; break;
    case OptimizerType::kAdaGrad: params.type = Optimizer::kAdaGrad; break;
    case OptimizerType::kSgd: params.type = Optimizer::kSgd; break;
  }
  params.alpha = static_cast<float>(config.alpha);
  params.beta = static_cast<float>(config.beta);
  params.l1 = static_cast<float>(config.l1);
  params.l2 = static_cast<float>(config.l2);
  params.newton = static_cast<float>(config.newton);
  return params;
}

OptimizerConfig ConfigOf(const OptimizerParams& params) {
  OptimizerConfig config;
  switch (params.type) {
    case Optimizer::kFtrl: config.type = OptimizerType::kFtrl; break;
    case Optimizer::kAdaGrad: config.type = OptimizerType::kAdaGrad; break;
    case Optimizer::kSgd: config.type = OptimizerType::kSgd; break;
  }
  config.alpha = params.alpha;
  config.beta = params.beta;
  config.l1 = params.l1;
  config.l2 = params.l2;
  config.newton = params.newton;
  return config;
}

std::string OptimizerText(const OptimizerConfig& o) {
  const char* name = o.type == OptimizerType::kFtrl      ? "ftrl"
                     : o.type == OptimizerType::kAdaGrad ? "adagrad"
                                                         : "sgd";
  return absl::StrCat(name, " alpha=", o.alpha, " beta=", o.beta, " newton=", o.newton, " l1=", o.l1,
                      " l2=", o.l2);
}

double MarginOffset(const DataConfig& data) {
  return data.keep_negatives < 1 ? std::log(data.keep_negatives) : 0.0;
}

absl::StatusOr<PreparedJob> PrepareJob(LoadedJob loaded) {
  PreparedJob job;
  job.config = std::move(loaded.config);
  job.effective_yaml = std::move(loaded.effective_yaml);
  PS_ASSIGN_OR_RETURN(job.train, DataFiles::Open(job.config.data.train.files));
  if (job.config.data.valid.set()) {
    PS_ASSIGN_OR_RETURN(job.valid, DataFiles::Open(job.config.data.valid.files));
  }
  if (job.config.data.test.set()) {
    PS_ASSIGN_OR_RETURN(job.test, DataFiles::Open(job.config.data.test.files));
  }
  PS_ASSIGN_OR_RETURN(job.extractor, Extractor::Compile(job.config, job.train));
  job.threads = job.config.train.threads > 0 ? job.config.train.threads : EffectiveCpuCount();
  return job;
}

}  // namespace ps
