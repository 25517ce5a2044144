#include "ps/state_store/file_state_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

absl::StatusOr<FileLock> Lock(const std::string& path) {
  absl::StatusOr<FileLock> lock = FileLock::Take(path);
  if (!absl::IsAlreadyExists(lock.status())) return lock;
  return absl::FailedPreconditionError(
      absl::StrCat("another scheduler has this state store open: ", lock.status().message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileStateStore>> FileStateStore::Open(const std::string& path,
                                                                     const Options& options) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  if (!directory.empty()) PS_RETURN_IF_ERROR(MakeDirs(directory));
  PS_ASSIGN_OR_RETURN(FileLock lock, Lock(path + ".lock"));
  std::unique_ptr<FileStateStore> store(new FileStateStore(path, options, std::move(lock)));
  const absl::StatusOr<std::string> bytes = ReadWholeFile(path);
  if (bytes.ok()) {
    PS_ASSIGN_OR_RETURN(StateLog log, ReadStateLog(path, *bytes));
    if (log.whole_bytes < bytes->size()) {
      LOG(WARNING) << path << ": offset " << log.whole_bytes << ": ignoring "
                   << bytes->size() - log.whole_bytes << " bytes of an unfinished commit";
    }
    store->records_ = std::move(log.records);
    store->name_ = log.last;
  } else if (!absl::IsNotFound(bytes.status())) {
    return bytes.status();
  }
  ++store->name_.term;
  PS_RETURN_IF_ERROR(store->Rewrite());
  return store;
}

FileStateStore::~FileStateStore() {
  if (log_fd_ >= 0) ::close(log_fd_);
}

absl::StatusOr<StateRecords> FileStateStore::Load() {
  PS_RETURN_IF_ERROR(broken_);
  return records_;
}

absl::Status FileStateStore::Rewrite() {
  const std::vector<std::pair<std::string, std::string>> all(records_.begin(), records_.end());
  StateFrameName name = name_;
  ++name.sequence;
  PS_ASSIGN_OR_RETURN(const std::string frame, EncodeStateFrame(name, all));
  if (absl::Status written = WriteFileAtomically(path_, frame); !written.ok()) {
    if (log_fd_ >= 0 && !SameFile(log_fd_, path_)) broken_ = written;  // renamed, but not synced
    return written;
  }
  // From here on the path is the new file; a failure to open it leaves nothing to append to.
  const int fd = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0) return broken_ = FileError("open", path_, errno);
  if (log_fd_ >= 0) ::close(log_fd_);
  log_fd_ = fd;
  name_ = name;
  log_bytes_ = live_bytes_ = frame.size();
  return absl::OkStatus();
}

absl::Status FileStateStore::CheckStillOurs() const {
  if (SameFile(log_fd_, path_) && lock_.StillOurs()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(path_, ": removed or replaced by somebody else; leadership is lost"));
}

absl::Status FileStateStore::Append(std::string_view frame) {
  absl::Status failed;
  while (!frame.empty() && failed.ok()) {
    const ssize_t written = ::write(log_fd_, frame.data(), frame.size());
    if (written >= 0) {
      frame.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      failed = FileError("write", path_, errno);
    }
  }
  if (failed.ok()) {
    if (::fdatasync(log_fd_) == 0) return absl::OkStatus();
    // The kernel may have dropped the pages, and a second sync would say that all is well.
    return broken_ = FileError("fdatasync", path_, errno);
  }
  if (::ftruncate(log_fd_, static_cast<off_t>(log_bytes_)) != 0) {
    broken_ = FileError("truncate", path_, errno);
  }
  return failed;
}

absl::Status FileStateStore::Commit(absl::Span<const std::pair<std::string, std::string>> records) {
  PS_RETURN_IF_ERROR(broken_);
  PS_RETURN_IF_ERROR(CheckStillOurs());
  const StateFrameName name = {name_.sequence + 1, name_.term};
  PS_ASSIGN_OR_RETURN(const std::string frame, EncodeStateFrame(name, records));
  PS_RETURN_IF_ERROR(Append(frame));
  name_ = name;
  log_bytes_ += frame.size();
  for (const auto& [key, value] : records) records_[key] = value;
  if (log_bytes_ > options_.compact_above_bytes && log_bytes_ > 4 * live_bytes_) {
    // The commit is durable whatever comes of this; a full disk is tried again at the next one.
    if (const absl::Status status = Rewrite(); !status.ok()) {
      LOG(WARNING) << "compaction of the state store: " << status;
    }
  }
  return absl::OkStatus();
}

}  // namespace ps
