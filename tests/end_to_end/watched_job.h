// What ps_ctl sees of a running job, and says to it.
#pragma once

#include <string>
#include <vector>

#include "tests/end_to_end/program.h"

namespace ps {

class WatchedJob {
 public:
  // Of a job whose output.dir is `place`/out, with cluster.http; both must outlive this.
  explicit WatchedJob(const Workplace& place) : place_(place) {}

  Finished Ctl(std::vector<std::string> words) const;
  // Nodes of the status: "servers" or "workers" that are alive.
  std::vector<JsonValue> Living(const std::string& kind) const;
  // True once so many servers share the slots evenly, and there are so many workers. Fails the test
  // otherwise.
  bool Settles(Program& run, std::size_t servers, std::size_t workers) const;

 private:
  const Workplace& place_;
};

}  // namespace ps
