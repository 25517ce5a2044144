// A file of slot images: what one shard writes for one checkpoint. docs/checkpoint_format.md is
// normative.
//
//   header (128) | blocks: header (16), at most 1 MiB of a slot's image | index: 40 a slot | footer
//   (32)
//
// SlotFileWriter appends to an ObjectWriter; SlotFileReader reads ranges of an object, so restoring
// a few slots reads only those. Nothing read is trusted: errors are DataLoss and name the file and
// the offset. One thread an object.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/optimizer.h"
#include "ps/base/key.h"
#include "ps/checkpoint/checkpoint_storage.h"
#include "ps/table/entry_layout.h"

namespace ps {

struct SlotFileHeader {
  std::uint64_t checkpoint = 0;   // id
  std::uint64_t incarnation = 0;  // of the writing shard
  std::uint64_t gen = 0;
  int slot_bits = 0;
  int min_count = 1;
  EntryLayout layout;
  OptimizerParams optimizer;
};

// Which state of a slot an image is: pushes applied, under which primary.
struct SlotVersion {
  std::uint64_t term = 0;
  std::uint64_t seq = 0;
  friend bool operator==(const SlotVersion&, const SlotVersion&) = default;
};

// How a manifest names a slot file.
struct SlotFileInfo {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint32_t crc =
      0;  // of header, index and footer, which hold the checksums of everything else
  std::uint64_t incarnation = 0;
};

std::string SlotFileName(std::uint64_t checkpoint, std::uint64_t incarnation);

class SlotFileWriter {
 public:
  // Begins the object SlotFileName(header.checkpoint, header.incarnation).
  static absl::StatusOr<std::unique_ptr<SlotFileWriter>> Create(CheckpointStorage& storage,
                                                                const SlotFileHeader& header);
  // Of two images of one slot the later counts.
  absl::Status Add(SlotIndex slot, const SlotVersion& version, std::string_view image);
  // The file is durable and whole on return.
  absl::StatusOr<SlotFileInfo> Finish();

 private:
  struct Entry {
    std::uint64_t offset = 0;
    std::uint64_t image_bytes = 0;
    SlotVersion version;
    std::uint32_t crc = 0;
  };
  SlotFileWriter() = default;
  absl::Status Append(std::string_view bytes);

  std::unique_ptr<ObjectWriter> object_;
  SlotFileInfo info_;
  std::map<SlotIndex, Entry> index_;
};

class SlotFileReader {
 public:
  // Reads and checks header, index and footer. `storage` must outlive the reader.
  static absl::StatusOr<std::unique_ptr<SlotFileReader>> Open(CheckpointStorage& storage,
                                                              const SlotFileInfo& info);

  const SlotFileHeader& header() const { return header_; }
  bool Has(SlotIndex slot) const { return index_.contains(slot); }
  SlotVersion VersionOf(SlotIndex slot) const { return index_.at(slot).version; }
  std::size_t slots() const { return index_.size(); }
  // NotFound when the file does not have the slot.
  absl::StatusOr<std::string> ReadSlot(SlotIndex slot);

 private:
  struct Entry {
    std::uint64_t offset = 0;
    std::uint64_t image_bytes = 0;
    SlotVersion version;
    std::uint32_t crc = 0;
  };
  SlotFileReader(CheckpointStorage& storage, SlotFileInfo info)
      : storage_(storage), info_(std::move(info)) {}
  absl::Status ReadHeader(const std::string& bytes);
  absl::Status ReadIndex(const std::string& bytes, std::uint64_t index_offset);
  absl::Status Damaged(std::uint64_t offset, const std::string& what) const;

  CheckpointStorage& storage_;
  const SlotFileInfo info_;
  SlotFileHeader header_;
  std::map<SlotIndex, Entry> index_;
};

}  // namespace ps
