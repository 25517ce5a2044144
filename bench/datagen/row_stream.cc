#include "bench/datagen/row_stream.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ps {
namespace {

constexpr std::uint64_t kBlockRows = 4096;

// Takes blocks in any order and gives each its place in the output. Regular files are written in
// parallel, at the offset that the order gives; anything else by the thread whose turn it is.
class OrderedOutput {
 public:
  explicit OrderedOutput(int file) : file_(file) {
    struct stat info;
    seekable_ = fstat(file, &info) == 0 && S_ISREG(info.st_mode);
    if (seekable_) {
      const off_t position = lseek(file, 0, SEEK_CUR);
      offset_ = begin_ = position > 0 ? position : 0;
    }
  }

  // Blocks are numbered 0, 1, ... without gaps. Waits for the block's turn. After a failure it
  // returns at once.
  void Write(std::uint64_t block, const std::string& text) {
    std::uint64_t offset;
    {
      std::unique_lock lock(mutex_);
      turn_.wait(lock, [&] { return next_ == block || !status_.ok(); });
      if (!status_.ok()) return;
      offset = offset_;
      offset_ += text.size();
      if (!seekable_) {
        const absl::Status status = WriteAll(text, offset);
        if (!status.ok()) status_ = status;
      }
      ++next_;
    }
    turn_.notify_all();
    if (!seekable_) return;
    const absl::Status status = WriteAll(text, offset);
    if (status.ok()) return;
    {
      std::lock_guard lock(mutex_);
      status_ = status;
    }
    turn_.notify_all();
  }

  bool failed() {
    std::lock_guard lock(mutex_);
    return !status_.ok();
  }
  // After all threads have ended.
  absl::Status status() const { return status_; }
  std::uint64_t bytes() const { return offset_ - begin_; }

 private:
  absl::Status WriteAll(const std::string& text, std::uint64_t offset) {
    std::size_t done = 0;
    while (done < text.size()) {
      const ssize_t written =
          seekable_ ? pwrite(file_, text.data() + done, text.size() - done, offset + done)
                    : write(file_, text.data() + done, text.size() - done);
      if (written < 0) {
        if (errno == EINTR) continue;
        return absl::UnavailableError(
            absl::StrCat("cannot write the rows: ", std::strerror(errno)));
      }
      done += written;
    }
    return absl::OkStatus();
  }

  const int file_;
  bool seekable_ = false;
  std::uint64_t begin_ = 0;
  std::mutex mutex_;
  std::condition_variable turn_;
  // Protected by mutex_.
  std::uint64_t next_ = 0;
  std::uint64_t offset_ = 0;
  absl::Status status_;
};

struct Share {  // of one thread
  std::uint64_t positives = 0;
  MetricState truth;
};

}  // namespace

absl::StatusOr<RowStreamResult> StreamRows(const CriteoTruth& truth, const RowWriter& writer,
                                           const RowStreamOptions& options, int file) {
  OrderedOutput output(file);
  output.Write(0, writer.Header());
  const std::uint64_t blocks = (options.rows + kBlockRows - 1) / kBlockRows;
  const std::uint64_t threads = std::max(1, options.threads);
  std::vector<Share> shares(threads);

  // Thread t makes blocks t, t + threads, ...: no thread can run ahead by more than one block.
  const auto work = [&](std::uint64_t thread) {
    Share& share = shares[thread];
    std::string text;
    CriteoRow row;
    for (std::uint64_t block = thread; block < blocks && !output.failed(); block += threads) {
      text.clear();
      const std::uint64_t begin = block * kBlockRows;
      const std::uint64_t end = std::min(begin + kBlockRows, options.rows);
      for (std::uint64_t i = begin; i < end; ++i) {
        truth.Generate(options.first_row + i, &row);
        writer.Append(row, &text);
        share.positives += row.label;
        if (options.score_truth) share.truth.Add(row.margin, row.label);
      }
      output.Write(block + 1, text);
    }
  };
  std::vector<std::thread> others;
  for (std::uint64_t t = 1; t < threads; ++t) others.emplace_back(work, t);
  work(0);
  for (std::thread& thread : others) thread.join();
  if (!output.status().ok()) return output.status();

  RowStreamResult result;
  result.bytes = output.bytes();
  for (std::uint64_t t = 0; t < threads; ++t) {
    result.positives += shares[t].positives;
    if (t > 0) shares[0].truth.Merge(shares[t].truth);
  }
  if (options.score_truth) result.truth = shares[0].truth.Finish();
  return result;
}

}  // namespace ps
