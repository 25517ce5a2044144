// What the workers of a cluster compute on, as its coordinator counts it: on GPUs, on processors,
// or some of them on each. Plain data.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ps {

struct WorkerDevices {
  std::map<std::string, int> kinds;  // how many compute on what, in words
  int workers = 0;                   // that have work
  int on_device = 0;                 // of them, on a GPU

  void Add(const std::string& kind, bool is_device, bool has_work) {
    if (!kind.empty()) ++kinds[kind];
    workers += has_work ? 1 : 0;
    on_device += is_device ? 1 : 0;
  }
  // For metrics.json, of those with work: cpu, cuda, or "cuda at some workers".
  std::string Name() const {
    if (on_device == 0) return "cpu";
    return on_device == workers ? "cuda" : kSome;
  }
  static constexpr char kSome[] = "cuda at some workers";
  // For people: "2 workers on NVIDIA H200; at 1 worker on the processor".
  std::string Text() const {
    std::vector<std::string> texts;
    for (const auto& [kind, count] : kinds)
      texts.push_back(absl::StrCat(count, count == 1 ? " worker on " : " workers on ", kind));
    return absl::StrJoin(texts, "; at ");
  }
  bool operator==(const WorkerDevices&) const = default;
};

}  // namespace ps
