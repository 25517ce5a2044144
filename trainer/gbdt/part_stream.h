// A stretch of the text of files in blocks, in order, to many threads.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/statusor.h"
#include "models/data/data_files.h"
#include "ps/base/status_macros.h"

namespace ps {

// Part p of as many parts.
class PartStream {
 public:
  static constexpr std::uint64_t kBlockBytes = 512 << 10;

  static absl::StatusOr<std::unique_ptr<PartStream>> Open(const DataFiles& files,
                                                          std::uint32_t part, std::uint32_t parts) {
    auto stream = std::make_unique<PartStream>();
    if (parts == 1) {
      stream->all_ = BlockStream::Create(files, kBlockBytes);
      return stream;
    }
    PS_ASSIGN_OR_RETURN(std::vector<FileRange> ranges, files.PlanRanges(kBlockBytes));
    const std::size_t first = ranges.size() * part / parts,
                      end = ranges.size() * (part + 1) / parts;
    stream->ranges_.assign(ranges.begin() + static_cast<std::ptrdiff_t>(first),
                           ranges.begin() + static_cast<std::ptrdiff_t>(end));
    stream->reader_ = RangeReader::Create(files);
    return stream;
  }

  // As BlockStream::Next.
  absl::StatusOr<bool> Next(BlockStream::Block* block) {
    if (all_ != nullptr) return all_->Next(block);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (next_ == ranges_.size()) return false;
    const FileRange& range = ranges_[next_];
    block->sequence = next_++;
    block->file = range.file;
    if (absl::Status read = reader_->Read(range, &block->text, &block->offset); !read.ok()) {
      next_ = ranges_.size();
      return read;
    }
    return true;
  }

 private:
  std::unique_ptr<BlockStream> all_;
  std::vector<FileRange> ranges_;
  std::mutex mutex_;
  std::unique_ptr<RangeReader> reader_;  // protected by mutex_, as is next_
  std::size_t next_ = 0;
};

}  // namespace ps
