// The state store as a file on a local disk: a log of commits, each synced before Commit returns,
// compacted by atomic rename. The default, for jobs whose scheduler comes back on the same machine
// or the same network volume.
//
// Two schedulers exclude each other by a lock (flock) on `<path>.lock`, which the kernel releases
// when a process dies. Every open writes the whole log anew with the next leadership term. The lock
// file stays.
//
// One thread. Disk full is ResourceExhausted from Commit; nothing was stored then, and a later
// Commit may succeed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "ps/base/file_lock.h"
#include "ps/state_store/state_log.h"
#include "ps/state_store/state_store.h"

namespace ps {

class FileStateStore : public StateStore {
 public:
  struct Options {
    std::size_t compact_above_bytes = std::size_t{1} << 20;  // and above four times what is live
  };

  // Creates the file, and its directory, when there is none. FailedPrecondition: another process
  // has it open.
  static absl::StatusOr<std::unique_ptr<FileStateStore>> Open(const std::string& path,
                                                              const Options& options);
  static absl::StatusOr<std::unique_ptr<FileStateStore>> Open(const std::string& path) {
    return Open(path, Options());
  }
  ~FileStateStore() override;
  FileStateStore(const FileStateStore&) = delete;
  FileStateStore& operator=(const FileStateStore&) = delete;

  absl::StatusOr<StateRecords> Load() override;
  // FailedPrecondition: somebody has removed or replaced the file.
  absl::Status Commit(absl::Span<const std::pair<std::string, std::string>> records) override;
  std::uint64_t leadership_term() const override { return name_.term; }

 private:
  FileStateStore(std::string path, const Options& options, FileLock lock)
      : path_(std::move(path)), options_(options), lock_(std::move(lock)) {}

  // Writes all records as the only frame of a new file in the place of the old one.
  absl::Status Rewrite();
  absl::Status CheckStillOurs() const;
  absl::Status Append(std::string_view frame);

  const std::string path_;
  const Options options_;
  const FileLock lock_;
  int log_fd_ = -1;
  StateRecords records_;
  StateFrameName name_;  // of the last frame
  std::size_t log_bytes_ = 0;
  std::size_t live_bytes_ = 0;  // of the log when it was last rewritten
  absl::Status broken_;         // not OK: the file is in an unknown state and must be opened again
};

}  // namespace ps
