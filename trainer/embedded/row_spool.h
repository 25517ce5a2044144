// The row cache: resolved blocks kept for reading again, in memory while they are few, then in an unnamed
// file that ends with the process. Ids belong to the process's index, so a cache is never shared.
//
// Threads: Append from one thread at a time; Read from any, once appending has ended.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "trainer/embedded/resolved_block.h"

namespace ps {

class RowSpool {
 public:
  // Blocks beyond `memory_bytes` go to a file in `directory`, which is made when first needed.
  RowSpool(std::string directory, std::uint64_t memory_bytes)
      : directory_(std::move(directory)), memory_limit_(memory_bytes) {}
  ~RowSpool();
  RowSpool(const RowSpool&) = delete;
  RowSpool& operator=(const RowSpool&) = delete;

  // ResourceExhausted when the disk is full; the message names the directory and train.row_cache.
  absl::Status Append(const ResolvedBlock& block);

  std::size_t blocks() const { return memory_.size() + records_.size(); }
  std::uint64_t rows() const { return rows_; }
  std::uint64_t file_bytes() const { return file_bytes_; }

  // All blocks in order. An error of `take` ends it.
  absl::Status ForEach(const std::function<absl::Status(const ResolvedBlock&)>& take) const;
  // The block of that number: a pointer into memory, or *storage filled from the file.
  absl::Status Read(std::size_t block, ResolvedBlock* storage, const ResolvedBlock** out) const;

 private:
  struct Record {
    std::uint64_t offset;
    std::uint32_t ids, values, rows, weights;  // elements
  };
  absl::Status OpenFile();

  const std::string directory_;
  const std::uint64_t memory_limit_;
  std::uint64_t memory_bytes_ = 0;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t rows_ = 0;
  int file_ = -1;
  std::vector<ResolvedBlock> memory_;
  std::vector<Record> records_;
};

}  // namespace ps
