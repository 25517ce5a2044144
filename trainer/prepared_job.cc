#include "trainer/prepared_job.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/bundle/bundle.h"
#include "models/bundle/manifest.h"
#include "models/features/header_check.h"
#include "models/features/header_hint.h"
#include "models/features/odd_texts.h"
#include "ps/base/cgroup.h"
#include "ps/base/status_macros.h"
#include "trainer/held_out_check.h"
#include "trainer/warm_start.h"

namespace ps {

namespace {

// What a column is may look different in other rows: the model that training goes on with knows.
absl::Status TakeStartFeatures(PreparedJob* job) {
  const ModelConfig& model = job->config.model;
  if (model.type != "lr" || model.warm_start.empty() || !job->config.features.empty()) return absl::OkStatus();
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<Bundle> bundle, OpenStartBundle(model.warm_start));
  if (bundle->info().model_type != "lr") return absl::OkStatus();  // said where its weights are taken
  PS_ASSIGN_OR_RETURN(const std::string plan, bundle->ReadFile(kExtractorName));
  absl::StatusOr<std::unique_ptr<Extractor>> extractor = Extractor::CompileAs(plan, job->config, job->train);
  if (!extractor.ok()) {
    return absl::Status(extractor.status().code(), absl::StrCat("features of model.warm_start '", model.warm_start, "': ",
                                                                extractor.status().message()));
  }
  job->extractor = *std::move(extractor);
  job->start_features = true;
  features::Plan here;
  if (!here.ParseFromString(job->extractor->Serialize())) return absl::InternalError("the plan cannot be read back");
  PS_ASSIGN_OR_RETURN(job->warnings, DescribeOddTexts(here, job->config.data, job->train));
  for (std::string& line : job->warnings)
    absl::StrAppend(&line, ": model.warm_start takes the column for a number, and each such text for a value of its own");
  return absl::OkStatus();
}

// Rows under another header would be taken for others. Of many files the compiler has looked into some only.
absl::Status CheckAllHeaders(const PreparedJob& job) {
  if (!job.config.data.header) return absl::OkStatus();
  features::Plan plan;
  if (!plan.ParseFromString(job.extractor->Serialize())) return absl::InternalError("the plan cannot be read back");
  PS_RETURN_IF_ERROR(CheckHeaders(plan, job.train));
  if (job.valid) PS_RETURN_IF_ERROR(CheckHeaders(plan, *job.valid));
  if (job.test) PS_RETURN_IF_ERROR(CheckHeaders(plan, *job.test));
  return absl::OkStatus();
}

// A warning where files of a part are those of another, too. No refusal: how well rows are remembered is a thing to ask.
void WarnOfShared(const char* part, const std::optional<DataFiles>& files, const char* other_part,
                  const DataFiles& other, const char* what, std::vector<std::string>* warnings) {
  if (!files) return;
  const std::vector<std::string> shared = files->SharedWith(other);
  if (shared.empty()) return;
  const std::string more = shared.size() > 1 ? absl::StrCat(" and ", shared.size() - 1, " more") : "";
  warnings->push_back(absl::StrCat(part, ".files: ", shared[0], more, more.empty() ? " is" : " are", " among ", other_part,
                                   ".files, too: ", what));
}

std::vector<std::string> DescribeShared(const PreparedJob& job) {
  constexpr char kRemembered[] = "metrics of these rows say how well they are remembered, not how new rows are predicted";
  std::vector<std::string> warnings;
  WarnOfShared("data.valid", job.valid, "data.train", job.train, kRemembered, &warnings);
  WarnOfShared("data.test", job.test, "data.train", job.train, kRemembered, &warnings);
  if (job.valid) WarnOfShared("data.test", job.test, "data.valid", *job.valid, "they have chosen the model, which flatters it", &warnings);
  return warnings;
}

absl::Status WarnOfHeader(PreparedJob* job) {
  features::Plan plan;
  if (!plan.ParseFromString(job->extractor->Serialize())) return absl::InternalError("the plan cannot be read back");
  PS_ASSIGN_OR_RETURN(std::string doubt, DescribeDoubtfulHeader(plan, job->config.data, job->train));
  if (!doubt.empty()) job->warnings.push_back(std::move(doubt));
  return absl::OkStatus();
}

// Trees read labels and values by rules of their own: CheckHeldOutOfTrees looks at their files.
absl::Status CheckHeldOut(const PreparedJob& job) {
  if (job.config.model.type == "gbdt") return absl::OkStatus();
  const std::unique_ptr<RowParser> parser = job.extractor->MakeParser();
  RowBlock block;
  const auto read = [&](std::string_view text, TextOrigin origin) -> const RowBlock& {
    block.Clear();
    parser->Parse(text, origin, &block);
    return block;
  };
  if (job.valid) PS_RETURN_IF_ERROR(CheckHeldOutFiles("data.valid", *job.valid, read, job.config));
  if (job.test) PS_RETURN_IF_ERROR(CheckHeldOutFiles("data.test", *job.test, read, job.config));
  return absl::OkStatus();
}

}  // namespace

OptimizerParams ParamsOf(const OptimizerConfig& config) {
  OptimizerParams params;
  switch (config.type) {
    case OptimizerType::kFtrl: params.type = Optimizer::kFtrl; break;
    case OptimizerType::kAdaGrad: params.type = Optimizer::kAdaGrad; break;
    case OptimizerType::kSgd: params.type = Optimizer::kSgd; break;
    case OptimizerType::kNewtonCg: params.type = Optimizer::kNewtonCg; break;
  }
  params.alpha = static_cast<float>(config.alpha);
  params.beta = static_cast<float>(config.beta);
  params.l1 = static_cast<float>(config.l1);
  params.l2 = static_cast<float>(config.l2.value_or(config.type == OptimizerType::kNewtonCg ? 1 : 0));
  params.l2_evidence = config.l2_evidence;
  params.newton = static_cast<float>(config.newton);
  return params;
}

OptimizerConfig ConfigOf(const OptimizerParams& params) {
  OptimizerConfig config;
  switch (params.type) {
    case Optimizer::kFtrl: config.type = OptimizerType::kFtrl; break;
    case Optimizer::kAdaGrad: config.type = OptimizerType::kAdaGrad; break;
    case Optimizer::kSgd: config.type = OptimizerType::kSgd; break;
    case Optimizer::kNewtonCg: config.type = OptimizerType::kNewtonCg; break;
  }
  config.alpha = params.alpha;
  config.beta = params.beta;
  config.l1 = params.l1;
  config.l2 = params.l2;
  config.newton = params.newton;
  config.l2_evidence = params.l2_evidence;
  return config;
}

std::string OptimizerText(const OptimizerConfig& o) {
  const float l2 = ParamsOf(o).l2;
  if (o.type == OptimizerType::kNewtonCg) return absl::StrCat("newton_cg l2=", l2, o.l2_evidence ? " of the evidence" : "");
  const char* name = o.type == OptimizerType::kFtrl      ? "ftrl"
                     : o.type == OptimizerType::kAdaGrad ? "adagrad"
                                                         : "sgd";
  return absl::StrCat(name, " alpha=", o.alpha, " beta=", o.beta, " newton=", o.newton, " l1=", o.l1,
                      " l2=", l2);
}

double MarginOffset(const DataConfig& data) {
  return data.keep_negatives < 1 ? std::log(data.keep_negatives) : 0.0;
}

absl::Status CheckLearntOnce(const PreparedJob& job) {
  const ModelConfig& model = job.config.model;
  if (!job.valid || !model.tune || !model.tune_all_rows || job.config.train.passes == 1) return absl::OkStatus();
  const std::vector<std::string> shared = job.valid->SharedWith(job.train);
  if (shared.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("data.valid.files: ", shared[0], " is among data.train.files, too, and validation rows are learnt when they "
                   "have chosen the setting: its rows would count twice. Give other files, or set model.tune_all_rows: false"));
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
  PS_RETURN_IF_ERROR(TakeStartFeatures(&job));
  if (job.extractor == nullptr) {
    PS_ASSIGN_OR_RETURN(job.extractor, Extractor::Compile(job.config, job.train));
  }
  PS_RETURN_IF_ERROR(CheckAllHeaders(job));
  PS_RETURN_IF_ERROR(WarnOfHeader(&job));
  PS_RETURN_IF_ERROR(CheckHeldOut(job));
  job.shared_files = DescribeShared(job);
  job.threads = job.config.train.threads > 0 ? job.config.train.threads : EffectiveCpuCount();
  return job;
}

}  // namespace ps
