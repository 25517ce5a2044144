#include "trainer/trial_check.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/device.h"
#include "trainer/gbdt/gbdt_trainer.h"
#include "trainer/output_check.h"
#include "trainer/prepared_job.h"

namespace ps {
namespace {

struct Tried {
  SearchSpace::Point point;
  absl::Status failure;
  ExitCode code = ExitCode::kData;
};

Tried Try(const std::string& job_file, const SearchSpace& space, SearchSpace::Point point, const NodeFlags& flags) {
  Tried tried{std::move(point), absl::OkStatus()};
  absl::StatusOr<LoadedJob> loaded = space.JobOf(tried.point);
  if (!loaded.ok()) {
    tried.failure = loaded.status();
    return tried;
  }
  const absl::StatusOr<PreparedJob> job = PrepareJob(*std::move(loaded));
  if (!job.ok()) {
    tried.failure = job.status();
  } else if (const absl::Status stay = CheckInputsStay(job_file, *job); !stay.ok()) {
    tried.failure = stay;
    tried.code = ExitCode::kConfiguration;
  } else if (const absl::Status once = CheckLearntOnce(*job); !once.ok()) {
    tried.failure = once;
    tried.code = ExitCode::kConfiguration;
  } else if (const auto cluster = ClusterOf(*job, flags); !cluster.ok()) {
    tried.failure = cluster.status();
    tried.code = ExitCode::kConfiguration;
  } else if (const absl::Status device = CheckDevice(job->config.device, DeviceChoice::kFirst);
             !device.ok()) {  // trials run here
    tried.failure = device;
    tried.code = ExitCode::kImpossible;
  } else if (job->config.model.type == "gbdt") {
    tried.failure = CheckHeldOutOfTrees(*job);
    if (tried.failure.ok()) tried.failure = PlanTrees(*job, TreeNodesOf(*cluster), TreesPlanOf::kNeeds).status();
  }
  return tried;
}

}  // namespace

TrialCheck CheckTrials(const std::string& job_file, const SearchSpace& space, const NodeFlags& flags) {
  SearchSpace::Point first(static_cast<std::size_t>(space.keys()), 0), last = first;
  for (int key = 0; key < space.keys(); ++key) last[static_cast<std::size_t>(key)] = space.values(key) - 1;
  last = space.Canonical(last);
  const Tried all[] = {Try(job_file, space, first, flags), Try(job_file, space, last, flags)};
  TrialCheck check;
  if (!all[0].failure.ok() && all[0].failure.message() == all[1].failure.message()) {
    check.failure = all[0].failure;
    check.code = all[0].code;
    return check;
  }
  for (const Tried& tried : all) {
    if (!tried.failure.ok())
      check.notes.push_back(absl::StrCat("the trial of ", space.Describe(tried.point), " fails: ", tried.failure.message()));
  }
  return check;
}

}  // namespace ps
