// What a search leaves: the best trial's model as the job's bundle, and what is said of it. One
// thread.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/bundle/bundle.h"
#include "models/config/search_space.h"
#include "trainer/search/search_state.pb.h"

namespace ps {

// The override that sets a directory, whatever its name means to YAML.
std::string SetDirectory(const char* key, const std::string& directory);

class SearchOutput {
 public:
  static constexpr char kStateName[] = "search_state.pb";  // in the bundle of a search that is over

  // `state` has a best trial, and `trial` is its directory. All outlive this.
  SearchOutput(const LoadedJob& job, const SearchSpace& space, std::string metric,
               const search::Search& state, std::string trial)
      : job_(job),
        space_(space),
        metric_(std::move(metric)),
        state_(state),
        trial_(std::move(trial)) {}

  // For a person: the best trial's own lines, and what was searched.
  absl::StatusOr<std::string> Text() const;
  absl::Status Write(BundleWriter* writer, bool complete) const;

 private:
  absl::StatusOr<std::string> TunedJob(const Bundle& best, const SearchSpace::Point& point) const;

  const LoadedJob& job_;
  const SearchSpace& space_;
  const std::string metric_;
  const search::Search& state_;
  const std::string trial_;
};

}  // namespace ps
