// A scheduler's store in memory, for simulations. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "ps/state_store/state_store.h"

namespace ps {

class MemoryStateStore : public StateStore {
 public:
  absl::StatusOr<std::map<std::string, std::string>> Load() override { return records_; }
  absl::Status Commit(absl::Span<const std::pair<std::string, std::string>> records) override {
    for (const auto& [name, value] : records) records_[name] = value;
    return absl::OkStatus();
  }
  std::uint64_t leadership_term() const override { return term_; }
  void NextLeader() { ++term_; }

 private:
  std::map<std::string, std::string> records_;
  std::uint64_t term_ = 1;
};

}  // namespace ps
