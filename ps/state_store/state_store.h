// Where a scheduler keeps what must outlive it: a small map of named records (a few megabytes at
// most), committed in groups. Implementations: a file, etcd, Kubernetes objects.
//
// Synchronous: a call returns when it is done or when a deadline of the implementation has passed;
// one thread at a time. Only one process can be leader; each leadership has a higher term than all
// before it.
//
// Errors of Commit: FailedPrecondition when leadership was lost, and nothing was stored: the caller
// must stop. After any other error it is unknown whether the records were stored; committing the
// same records again is safe, and Load tells. DataLoss from Load: what is stored is damaged; the
// message says where.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ps {

class StateStore {
 public:
  virtual ~StateStore() = default;

  // All records as they are now. Names are never removed; a value may be empty.
  virtual absl::StatusOr<std::map<std::string, std::string>> Load() = 0;

  // Sets the records (name, value), all or none of them; durable on return. Of two records with one
  // name the later counts.
  virtual absl::Status Commit(absl::Span<const std::pair<std::string, std::string>> records) = 0;

  virtual std::uint64_t leadership_term() const = 0;
};

}  // namespace ps
