// Chunks of made rows, as a worker reads them. One thread.
#pragma once

#include "tests/cluster/simulated_cluster.h"

namespace ps {

class MadeSource : public ChunkSource {
 public:
  MadeSource(const MadeData& data, int unreadable) : data_(data), unreadable_(unreadable) {}
  absl::Status Read(const FileRange& range, ChunkRows* chunk) override {
    if (static_cast<int>(range.begin) == unreadable_) return absl::DataLossError("planned damage");
    if (range.begin >= data_.chunks.size()) return absl::NotFoundError("no such chunk");
    *chunk = ChunkRows();
    chunk->block = data_.chunks.at(range.begin);
    chunk->rows = chunk->block.rows();
    return absl::OkStatus();
  }

 private:
  const MadeData& data_;
  const int unreadable_;
};

}  // namespace ps
