#include "trainer/trial_check.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trainer/prepared_job.h"

namespace ps {

absl::Status CheckTrials(const SearchSpace& space, const NodeFlags& flags) {
  SearchSpace::Point first(static_cast<std::size_t>(space.keys()), 0), last = first;
  for (int key = 0; key < space.keys(); ++key) last[static_cast<std::size_t>(key)] = space.values(key) - 1;
  absl::Status failure;
  bool prepared = false;
  for (const SearchSpace::Point& point : {first, space.Canonical(last)}) {
    absl::StatusOr<LoadedJob> loaded = space.JobOf(point);
    if (!loaded.ok()) continue;  // values that do not go together: its trial will say so
    const absl::StatusOr<PreparedJob> job = PrepareJob(*std::move(loaded));
    failure.Update(job.status());
    if (!job.ok()) continue;
    prepared = true;
    if (const auto cluster = ClusterOf(*job, flags); !cluster.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat("tune.search: trials of type ", space.TypeOf(point), ": ", cluster.status().message()));
    }
  }
  return prepared ? absl::OkStatus() : failure;
}

}  // namespace ps
