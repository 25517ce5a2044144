#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ps/base/status_macros.h"
#include "ps/checkpoint/slot_file.h"
#include "ps/checkpoint/slot_file_format.h"

namespace ps {

std::string SlotFileName(std::uint64_t checkpoint, std::uint64_t incarnation) {
  return absl::StrFormat("slots/%010d-%016x.slots", checkpoint, incarnation);
}

absl::StatusOr<std::unique_ptr<SlotFileWriter>> SlotFileWriter::Create(
    CheckpointStorage& storage, const SlotFileHeader& header) {
  std::unique_ptr<SlotFileWriter> writer(new SlotFileWriter());
  writer->info_.name = SlotFileName(header.checkpoint, header.incarnation);
  writer->info_.incarnation = header.incarnation;
  PS_ASSIGN_OR_RETURN(writer->object_, storage.Create(writer->info_.name));
  SlotFileHead head{};
  std::memcpy(head.magic, kSlotFileMagic, sizeof head.magic);
  head.version = kSlotFileVersion;
  head.slot_bits = static_cast<std::uint32_t>(header.slot_bits);
  head.checkpoint = header.checkpoint;
  head.incarnation = header.incarnation;
  head.gen = header.gen;
  head.lanes = static_cast<std::uint16_t>(header.layout.lanes);
  head.floats_per_lane = static_cast<std::uint16_t>(header.layout.floats_per_lane);
  head.optimizer = static_cast<std::uint32_t>(header.optimizer.type);
  head.alpha = header.optimizer.alpha;
  head.beta = header.optimizer.beta;
  head.l1 = header.optimizer.l1;
  head.l2 = header.optimizer.l2;
  head.min_count = static_cast<std::uint32_t>(header.min_count);
  head.crc = CrcOfAllButLast(head);
  writer->info_.crc = Crc32c(BytesOf(head));
  PS_RETURN_IF_ERROR(writer->Append(BytesOf(head)));
  return writer;
}

absl::Status SlotFileWriter::Append(std::string_view bytes) {
  info_.bytes += bytes.size();
  return object_->Append(bytes);
}

absl::Status SlotFileWriter::Add(SlotIndex slot, const SlotVersion& version,
                                 std::string_view image) {
  index_[slot] = {info_.bytes, image.size(), version, Crc32c(image)};
  while (!image.empty()) {
    const std::string_view block =
        image.substr(0, std::min<std::size_t>(image.size(), kMostBlockBytes));
    SlotBlockHead head{slot, static_cast<std::uint32_t>(block.size()), Crc32c(block), 0};
    head.crc = CrcOfAllButLast(head);
    PS_RETURN_IF_ERROR(Append(BytesOf(head)));
    PS_RETURN_IF_ERROR(Append(block));
    image.remove_prefix(block.size());
  }
  return absl::OkStatus();
}

absl::StatusOr<SlotFileInfo> SlotFileWriter::Finish() {
  std::string index;
  for (const auto& [slot, entry] : index_) {
    const SlotIndexEntry line{
        slot, entry.crc, entry.offset, entry.image_bytes, entry.version.term, entry.version.seq};
    index += BytesOf(line);
  }
  SlotFileFoot foot{};
  foot.index_offset = info_.bytes;
  foot.slots = static_cast<std::uint32_t>(index_.size());
  foot.index_crc = Crc32c(index);
  std::memcpy(foot.magic, kSlotFileEnd, sizeof foot.magic);
  foot.crc = CrcOfAllButLast(foot);
  info_.crc = ExtendCrc32c(ExtendCrc32c(info_.crc, index), BytesOf(foot));
  PS_RETURN_IF_ERROR(Append(index));
  PS_RETURN_IF_ERROR(Append(BytesOf(foot)));
  PS_RETURN_IF_ERROR(object_->Finish());
  return info_;
}

}  // namespace ps
