#include "trainer/pod_end.h"

#include <glog/logging.h>

#include "absl/status/statusor.h"
#include "trainer/cluster/pod_scaler.h"

namespace ps {

void TellJobOfEnd(const std::string& job, int exit_code, bool by_signal) {
  const bool again = exit_code == static_cast<int>(ExitCode::kTryAgain) || by_signal;
  if (job.empty() || exit_code == 0 || again) return;
  absl::StatusOr<KubernetesAccess> access = AccessFromPod();
  const absl::Status told = access.ok() ? LetJobFail(*access, job) : access.status();
  if (!told.ok()) LOG(WARNING) << "the Job may start another pod: " << told;
}

ExitCode ExitCodeWithoutTest(const std::string& job, const std::string& note) {
  if (job.empty()) return ExitCode::kWithoutTest;
  const absl::Status left = LeaveTerminationMessage(note);
  if (!left.ok()) LOG(WARNING) << "there is no termination message: " << left;
  return ExitCode::kOk;
}

}  // namespace ps
