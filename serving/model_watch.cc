#include "serving/model_watch.h"

#include <sys/stat.h>

#include <algorithm>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "models/bundle/manifest.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr auto kPollEvery = std::chrono::seconds(1);
constexpr auto kFirstPause = std::chrono::seconds(10);
constexpr auto kLongestPause = std::chrono::seconds(320);

}  // namespace

ModelWatch::ModelWatch(std::string dir, std::shared_ptr<const ServedModel> model)
    : dir_(std::move(dir)), model_(std::move(model)) {}

absl::StatusOr<std::unique_ptr<ModelWatch>> ModelWatch::Open(const std::string& dir) {
  PS_ASSIGN_OR_RETURN(std::shared_ptr<const ServedModel> model, ServedModel::Open(dir));
  // Without a stamp: the first poll finds out whether it is the same model still.
  return std::unique_ptr<ModelWatch>(new ModelWatch(dir, std::move(model)));
}

ModelWatch::~ModelWatch() {
  {
    const std::lock_guard lock(stop_mutex_);
    stop_ = true;
  }
  stop_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ModelWatch::Start() {
  thread_ = std::thread([this] {
    std::unique_lock lock(stop_mutex_);
    while (!stop_changed_.wait_for(lock, kPollEvery, [this] { return stop_; })) {
      lock.unlock();
      Poll(std::chrono::steady_clock::now());
      lock.lock();
    }
  });
}

std::shared_ptr<const ServedModel> ModelWatch::Current() const {
  const std::lock_guard lock(mutex_);
  return model_;
}

ModelWatch::Stamp ModelWatch::StampNow() const {
  struct stat found{};
  if (::stat(absl::StrCat(dir_, "/", kManifestName).c_str(), &found) != 0) return {};
  return {.device = found.st_dev,
          .file = found.st_ino,
          .bytes = static_cast<std::uint64_t>(found.st_size),
          .changed_ns = found.st_mtim.tv_sec * std::int64_t{1000000000} + found.st_mtim.tv_nsec};
}

void ModelWatch::ForgetRetired() {
  std::erase_if(retired_, [](const auto& model) { return model.use_count() == 1; });
}

void ModelWatch::Poll(std::chrono::steady_clock::time_point now) {
  ForgetRetired();
  const Stamp stamp = StampNow();
  if (stamp == seen_ || (stamp == failed_ && now < next_try_)) return;
  const absl::Status status = TryReload(stamp);
  if (status.ok()) {
    failed_ = {};
    pause_ = std::chrono::seconds(0);
    last_failure_.clear();
    return;
  }
  failures_.fetch_add(1);
  pause_ = stamp == failed_ ? std::clamp<std::chrono::seconds>(2 * pause_, kFirstPause, kLongestPause) : kFirstPause;
  failed_ = stamp;
  next_try_ = now + pause_;
  if (std::exchange(last_failure_, std::string(status.message())) != status.message()) {
    LOG(WARNING) << "the model was replaced by one that cannot be served, and the old one serves on: " << status.message();
  }
}

absl::Status ModelWatch::TryReload(const Stamp& stamp) try {
  PS_ASSIGN_OR_RETURN(const std::string version, ServedModel::VersionAt(dir_));
  if (version != Current()->version()) {
    PS_ASSIGN_OR_RETURN(std::shared_ptr<const ServedModel> model, ServedModel::Open(dir_));
    retired_.reserve(retired_.size() + 1);  // what may fail comes before the exchange
    {
      const std::lock_guard lock(mutex_);
      std::swap(model_, model);
    }
    retired_.push_back(std::move(model));
    reloads_.fetch_add(1);
    // After it, so that who reads this is answered by the new one.
    LOG(INFO) << "the model was replaced: version " << version << " is served, no longer " << retired_.back()->version();
  }
  seen_ = stamp;  // taken before the bundle was opened: a later one is looked at again
  return absl::OkStatus();
} catch (const std::bad_alloc&) {  // of the new model's own containers: the old one needs no more
  return absl::ResourceExhaustedError(absl::StrCat(dir_, ": there is no memory for a second model"));
}

}  // namespace ps
