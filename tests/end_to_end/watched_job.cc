#include "tests/end_to_end/watched_job.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <thread>

namespace ps {

Finished WatchedJob::Ctl(std::vector<std::string> words) const {
  words.insert(words.end(), {"--dir", "out"});
  return RunProgram("ps_ctl", words, place_.path());
}

std::vector<JsonValue> WatchedJob::Living(const std::string& kind) const {
  const auto status = JsonReader::Read(Ctl({"status", "--json"}).out);
  std::vector<JsonValue> living;
  if (!status.has_value() || status->members.count("cluster") == 0) return living;
  for (const JsonValue& node : status->members.at("cluster").members.at(kind).items) {
    if (node.members.at("alive").flag) living.push_back(node);
  }
  return living;
}

bool WatchedJob::Settles(Program& run, std::size_t servers, std::size_t workers) const {
  for (int i = 0; i < 1500 && run.Running(); ++i) {
    const std::vector<JsonValue> living = Living("servers");
    bool even = living.size() == servers;
    for (const JsonValue& server : living) {
      even = even && NumberAt(server, "primary_slots") >= 4096 / servers;
    }
    if (even && Living("workers").size() == workers) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  ADD_FAILURE() << Ctl({"status"}).out;
  return false;
}

}  // namespace ps
