#include "trainer/search/search_output.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "models/bundle/manifest.h"
#include "models/config/yaml_tree.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"
#include "trainer/job_result.h"
#include "trainer/search/search_trace.h"
#include "trainer/search/trial_process.h"

namespace ps {

std::string SetDirectory(const char* key, const std::string& directory) {
  YamlNode value;
  value.kind = YamlNode::Kind::kScalar;
  value.text = directory;
  value.quoted = true;
  return absl::StrCat(key, "=", WriteScalar(value));
}

// The best trial's job as a file of its own, with the output of the search.
absl::StatusOr<std::string> SearchOutput::TunedJob(const Bundle& best,
                                                   const SearchSpace::Point& point) const {
  Overrides own = {SetDirectory("output.dir", job_.config.output.dir)};
  if (job_.config.train.threads == 0)
    own.push_back("train.threads=auto");  // of trials at once, each had its part
  if (absl::StatusOr<std::string> tuned = best.ReadFile(kTunedJobName); tuned.ok()) {
    if (!job_.config.checkpoint.dir.empty() && space_.TypeOf(point) == "lr") {
      own.push_back(SetDirectory("checkpoint.dir", job_.config.checkpoint.dir));
    }
    return EffectiveYaml(*tuned, kTunedJobName, own);
  }
  PS_ASSIGN_OR_RETURN(const LoadedJob job, space_.JobOf(point));
  return job.effective_yaml;
}

absl::Status SearchOutput::Write(BundleWriter* writer, bool complete) const {
  const std::string from = TrialProcess::ModelPath(trial_);
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<Bundle> bundle, Bundle::Open(from));
  PS_RETURN_IF_ERROR(writer->AppendWeights(bundle->keys(), bundle->weights()));
  const std::set<std::string> own = {kManifestName, kWeightsName,  "job.yaml",
                                     kTunedJobName, "search.json", kStateName};
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(from, error)) {
    const std::string name = file.path().filename();
    if (own.contains(name)) continue;
    PS_ASSIGN_OR_RETURN(const std::string content, bundle->ReadFile(name));
    PS_RETURN_IF_ERROR(writer->AddFile(name, content));
  }
  if (error) return FileError("read directory", from, error.value());
  PS_ASSIGN_OR_RETURN(const std::string tuned,
                      TunedJob(*bundle, PointOf(state_.trials(BestTrial(state_)))));
  PS_RETURN_IF_ERROR(writer->AddFile("job.yaml", job_.effective_yaml));
  PS_RETURN_IF_ERROR(writer->AddFile(kTunedJobName, tuned));
  PS_RETURN_IF_ERROR(writer->AddFile("search.json", SearchJson(space_, metric_, state_)));
  if (complete) {
    search::Search state = state_;
    PS_ASSIGN_OR_RETURN(*state.mutable_printed(), ReadWholeFile(TrialProcess::OutPath(trial_)));
    PS_RETURN_IF_ERROR(writer->AddFile(kStateName, state.SerializeAsString()));
  }
  BundleInfo info = bundle->info();
  info.complete = complete;
  return writer->Finish(std::move(info));
}

absl::StatusOr<std::string> SearchOutput::Text() const {
  const std::string& output = job_.config.output.dir;
  PS_ASSIGN_OR_RETURN(const std::string printed, ReadWholeFile(TrialProcess::OutPath(trial_)));
  std::string text = absl::StrReplaceAll(printed, {{TrialProcess::ModelPath(trial_), output}});
  const auto ended = [](bool failed) {
    return [failed](const search::Trial& one) {
      return failed ? !one.failure().empty() : one.failure().empty() && JudgedRung(one) >= 0;
    };
  };
  const auto count = [&](bool failed) {
    return std::count_if(state_.trials().begin(), state_.trials().end(), ended(failed));
  };
  const std::string equal = DescribeEqualTrials(state_);
  const auto top = [this](const search::Trial& one) { return JudgedRung(one) == static_cast<int>(state_.top_rung()); };
  const auto whole = std::count_if(state_.trials().begin(), state_.trials().end(), top);
  absl::StrAppend(&text, "searched: ", count(false), " trials",
                  state_.top_rung() > 0 ? absl::StrCat(", ", whole, " of them on all rows") : "",
                  count(true) > 0 ? absl::StrCat(", and ", count(true), " that failed") : "",
                  "; the model is that of ",
                  DescribeTrial(space_, metric_, state_, BestTrial(state_)),
                  equal.empty() ? "" : absl::StrCat("\n  ", equal), "\n  as a job file: ", output, "/", kTunedJobName, "\n  all trials: ", output,
                  "/search.json\n");
  for (const std::string& warning : state_.trials(BestTrial(state_)).warnings()) {
    // Some the trial has printed beside its figures.
    if (!absl::StrContains(text, absl::StrCat("\n", warning, "\n"))) absl::StrAppend(&text, warning, "\n");
  }
  return text;
}

}  // namespace ps
