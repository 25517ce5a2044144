// The model that is served, replaced when training puts another in its place. Once a second the manifest
// is looked at (one stat); where it is another one, the bundle is opened beside the one in use, and takes
// its place when all of it is sound. One that cannot be opened is logged and counted, the old model
// serves on; it is tried again when it has changed, and after 10 s, then ever more seldom.
//
// Any thread, but for Poll, which is of one.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "serving/served_model.h"

namespace ps {

class ModelWatch {
 public:
  // Opens the bundle at `dir`. Errors as of ServedModel::Open.
  static absl::StatusOr<std::unique_ptr<ModelWatch>> Open(const std::string& dir);
  ~ModelWatch();
  ModelWatch(const ModelWatch&) = delete;
  ModelWatch& operator=(const ModelWatch&) = delete;

  // From now on a thread polls.
  void Start();
  // Looks once, at `now`.
  void Poll(std::chrono::steady_clock::time_point now);

  std::shared_ptr<const ServedModel> Current() const;
  std::uint64_t reloads() const { return reloads_.load(); }
  std::uint64_t reload_failures() const { return failures_.load(); }

 private:
  // What a stat says of a manifest: another one has another.
  struct Stamp {
    std::uint64_t device = 0, file = 0, bytes = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };

  ModelWatch(std::string dir, std::shared_ptr<const ServedModel> model);
  Stamp StampNow() const;
  absl::Status TryReload(const Stamp& stamp);
  void ForgetRetired();

  const std::string dir_;
  std::atomic<std::uint64_t> reloads_ = 0;
  std::atomic<std::uint64_t> failures_ = 0;

  mutable std::mutex mutex_;
  std::shared_ptr<const ServedModel> model_;  // protected by mutex_

  // Of the polling thread.
  Stamp seen_;  // that of the model in use
  std::vector<std::shared_ptr<const ServedModel>> retired_;  // freed here, not in a request's thread
  std::string last_failure_;
  Stamp failed_;  // of what could not be opened: tried again at next_try_, and when it has become another
  std::chrono::steady_clock::time_point next_try_{};
  std::chrono::seconds pause_{0};  // between tries

  std::mutex stop_mutex_;
  std::condition_variable stop_changed_;
  bool stop_ = false;  // protected by stop_mutex_
  std::thread thread_;
};

}  // namespace ps
