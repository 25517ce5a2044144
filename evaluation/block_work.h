// Work on all rows of some files, block by block: prepared by several threads, taken in the order
// of the data, so that what comes of it is the same for any number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "evaluation/ordered_turns.h"
#include "models/data/data_files.h"
#include "ps/base/status_macros.h"

namespace ps {

struct BlockWorkOptions {
  int threads = 1;
  std::uint64_t block_bytes = 1 << 20;
};

// Calls prepare(block, &piece) from every thread, each with a Piece of its own that it uses again,
// and take(piece), which gives a Status, by one thread at a time in data order. Errors: of reading,
// and of `take`; work ends with the first.
template <typename Piece, typename Prepare, typename Take>
class BlockWork {
 public:
  BlockWork(const DataFiles& files, const BlockWorkOptions& options, Prepare prepare, Take take)
      : threads_(options.threads),
        prepare_(std::move(prepare)),
        take_(std::move(take)),
        stream_(BlockStream::Create(files, options.block_bytes)) {}

  absl::Status Run() {
    std::vector<std::thread> others;
    for (int i = 1; i < threads_; ++i) others.emplace_back([this] { Work(); });
    Work();
    for (std::thread& thread : others) thread.join();
    absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  void Work() {
    const absl::Status status = WorkUntilEnd();
    if (status.ok()) return;
    absl::MutexLock lock(&mutex_);
    status_.Update(status);
    turns_.Stop();
  }

  absl::Status WorkUntilEnd() {
    BlockStream::Block block;
    Piece piece;
    for (;;) {
      PS_ASSIGN_OR_RETURN(const bool more, stream_->Next(&block));
      if (!more) return absl::OkStatus();
      prepare_(block, &piece);
      if (!turns_.Wait(block.sequence)) return absl::OkStatus();
      PS_RETURN_IF_ERROR(take_(piece));
      turns_.Done();
    }
  }

  const int threads_;
  const Prepare prepare_;
  const Take take_;
  const std::unique_ptr<BlockStream> stream_;
  OrderedTurns turns_;
  absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

template <typename Piece, typename Prepare, typename Take>
absl::Status WorkInOrder(const DataFiles& files, const BlockWorkOptions& options, Prepare prepare,
                         Take take) {
  return BlockWork<Piece, Prepare, Take>(files, options, std::move(prepare), std::move(take)).Run();
}

}  // namespace ps
