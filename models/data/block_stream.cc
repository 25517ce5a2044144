#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>

#include "models/data/data_files.h"
#include "models/data/input_file.h"
#include "models/data/line_source.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// A cursor walks the files under a lock. A block of a plain file leaves the lock as a byte range
// and is read outside of it; a block of a compressed file is decompressed inside.
class FileBlockStream final : public BlockStream {
 public:
  FileBlockStream(std::vector<DataFile> files, std::uint64_t block_bytes)
      : files_(std::move(files)), block_bytes_(std::max<std::uint64_t>(block_bytes, 1)) {}

  absl::StatusOr<bool> Next(Block* block) override {
    std::shared_ptr<const InputFile> plain;
    ByteRange range;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      absl::StatusOr<bool> taken = Take(block, &plain, &range);
      if (!taken.ok()) failed_.store(true, std::memory_order_relaxed);
      if (!taken.ok() || !*taken || plain == nullptr) return taken;
    }
    const absl::Status status = ReadPlainLines(*plain, range, &block->text, &block->offset);
    if (!status.ok()) {
      failed_.store(true, std::memory_order_relaxed);
      return status;
    }
    return true;
  }

  std::uint64_t stored_bytes_read() const override {
    return stored_bytes_read_.load(std::memory_order_relaxed);
  }

 private:
  // Advances the cursor by one block: fills *block (a compressed file), or says what to read.
  absl::StatusOr<bool> Take(Block* block, std::shared_ptr<const InputFile>* plain,
                            ByteRange* range) {
    while (!failed_.load(std::memory_order_relaxed) && file_ < files_.size()) {
      const DataFile& file = files_[file_];
      PS_RETURN_IF_ERROR(OpenCurrent());
      const bool used_up = plain_ != nullptr ? begin_ >= plain_->bytes() : compressed_->at_end();
      if (used_up) {
        stored_before_ += file.stored_bytes;
        stored_bytes_read_.store(stored_before_, std::memory_order_relaxed);
        plain_.reset();
        compressed_.reset();
        begin_ = 0;
        ++file_;
        continue;
      }
      block->sequence = sequence_++;
      block->file = file_;
      *range = {begin_, begin_ + block_bytes_};
      if (plain_ != nullptr) {
        *plain = plain_;
        begin_ = std::min(range->end, plain_->bytes());
        stored_bytes_read_.store(stored_before_ + begin_, std::memory_order_relaxed);
        return true;
      }
      PS_RETURN_IF_ERROR(compressed_->Read(*range, &block->text, &block->offset));
      begin_ = std::max(range->end, compressed_->next_offset());
      stored_bytes_read_.store(stored_before_ + compressed_->stored_position(),
                               std::memory_order_relaxed);
      return true;
    }
    return false;
  }

  absl::Status OpenCurrent() {
    if (plain_ != nullptr || compressed_ != nullptr) return absl::OkStatus();
    const DataFile& file = files_[file_];
    if (file.compression != Compression::kNone) {
      compressed_ = std::make_unique<CompressedLines>(file);
      return absl::OkStatus();
    }
    PS_ASSIGN_OR_RETURN(InputFile opened, InputFile::Open(file.path));
    plain_ = std::make_shared<const InputFile>(std::move(opened));
    return absl::OkStatus();
  }

  const std::vector<DataFile> files_;
  const std::uint64_t block_bytes_;
  std::atomic<bool> failed_ = false;
  std::atomic<std::uint64_t> stored_bytes_read_ = 0;

  std::mutex mutex_;  // of the fields below; ThreadSanitizer knows it, unlike the distribution's
                      // absl::Mutex
  std::uint32_t file_ = 0;
  std::uint64_t begin_ = 0;  // of the next block, in the decompressed stream
  std::uint64_t sequence_ = 0;
  std::uint64_t stored_before_ = 0;  // of the files behind the cursor
  std::shared_ptr<const InputFile> plain_;
  std::unique_ptr<CompressedLines> compressed_;
};

}  // namespace

std::unique_ptr<BlockStream> BlockStream::Create(const DataFiles& files,
                                                 std::uint64_t block_bytes) {
  return std::make_unique<FileBlockStream>(files.files(), block_bytes);
}

}  // namespace ps
