#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"
#include "ps/checkpoint/slot_file.h"
#include "ps/checkpoint/slot_file_format.h"

namespace ps {

absl::Status SlotFileReader::Damaged(std::uint64_t offset, const std::string& what) const {
  return absl::DataLossError(
      absl::StrCat(storage_.Describe(info_.name), ": offset ", offset, ": ", what));
}

absl::StatusOr<std::unique_ptr<SlotFileReader>> SlotFileReader::Open(CheckpointStorage& storage,
                                                                     const SlotFileInfo& info) {
  std::unique_ptr<SlotFileReader> reader(new SlotFileReader(storage, info));
  if (info.bytes < sizeof(SlotFileHead) + sizeof(SlotFileFoot)) {
    return reader->Damaged(info.bytes, "too short for a slot file");
  }
  PS_ASSIGN_OR_RETURN(const std::string head, storage.Read(info.name, 0, sizeof(SlotFileHead)));
  PS_RETURN_IF_ERROR(reader->ReadHeader(head));
  const std::uint64_t foot_offset = info.bytes - sizeof(SlotFileFoot);
  PS_ASSIGN_OR_RETURN(const std::string foot_bytes,
                      storage.Read(info.name, foot_offset, sizeof(SlotFileFoot)));
  SlotFileFoot foot;
  std::memcpy(&foot, foot_bytes.data(), sizeof foot);
  if (foot.crc != CrcOfAllButLast(foot) ||
      std::memcmp(foot.magic, kSlotFileEnd, sizeof foot.magic) != 0 || foot.zero != 0) {
    return reader->Damaged(foot_offset, "damaged footer");
  }
  const std::uint64_t index_bytes = std::uint64_t{foot.slots} * sizeof(SlotIndexEntry);
  if (foot.index_offset < sizeof(SlotFileHead) || foot.index_offset > foot_offset ||
      foot_offset - foot.index_offset != index_bytes) {
    return reader->Damaged(foot_offset, "the footer names another place for the index");
  }
  PS_ASSIGN_OR_RETURN(const std::string index,
                      storage.Read(info.name, foot.index_offset, index_bytes));
  if (Crc32c(index) != foot.index_crc) {
    return reader->Damaged(foot.index_offset, "damaged index");
  }
  const std::uint32_t crc = ExtendCrc32c(ExtendCrc32c(Crc32c(head), index), foot_bytes);
  if (crc != info.crc || reader->header_.incarnation != info.incarnation) {
    return reader->Damaged(foot_offset, "not the file that the manifest names");
  }
  PS_RETURN_IF_ERROR(reader->ReadIndex(index, foot.index_offset));
  return reader;
}

absl::Status SlotFileReader::ReadHeader(const std::string& bytes) {
  SlotFileHead head;
  std::memcpy(&head, bytes.data(), sizeof head);
  if (std::memcmp(head.magic, kSlotFileMagic, sizeof head.magic) != 0) {
    return Damaged(0, "not a slot file");
  }
  if (head.crc != CrcOfAllButLast(head)) return Damaged(0, "damaged header");
  if (head.version != kSlotFileVersion) {
    return Damaged(8, absl::StrCat("version ", head.version, "; this program reads 1"));
  }
  if (head.slot_bits < 1 || head.slot_bits > kMaxSlotBits || head.lanes == 0 ||
      head.floats_per_lane == 0 || head.optimizer > 2 || head.min_count > 255) {
    return Damaged(0, "a header that no program writes");
  }
  header_.checkpoint = head.checkpoint;
  header_.incarnation = head.incarnation;
  header_.gen = head.gen;
  header_.slot_bits = static_cast<int>(head.slot_bits);
  header_.min_count = static_cast<int>(head.min_count);
  header_.layout = {head.lanes, head.floats_per_lane};
  header_.optimizer = {static_cast<Optimizer>(head.optimizer), head.alpha, head.beta, head.l1,
                       head.l2};
  return absl::OkStatus();
}

absl::Status SlotFileReader::ReadIndex(const std::string& bytes, std::uint64_t index_offset) {
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(SlotIndexEntry)) {
    SlotIndexEntry entry;
    std::memcpy(&entry, bytes.data() + at, sizeof entry);
    const std::uint64_t blocks = (entry.image_bytes + kMostBlockBytes - 1) / kMostBlockBytes;
    const bool ordered = index_.empty() || entry.slot > index_.rbegin()->first;
    if (!ordered || entry.slot >> header_.slot_bits != 0 || entry.offset < sizeof(SlotFileHead) ||
        entry.offset > index_offset || entry.image_bytes > index_offset ||
        entry.image_bytes + blocks * sizeof(SlotBlockHead) > index_offset - entry.offset) {
      return Damaged(index_offset + at, "an index entry that does not fit the file");
    }
    index_[entry.slot] = {entry.offset, entry.image_bytes, {entry.term, entry.seq}, entry.crc};
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> SlotFileReader::ReadSlot(SlotIndex slot) {
  const auto found = index_.find(slot);
  if (found == index_.end()) {
    return absl::NotFoundError(
        absl::StrCat(storage_.Describe(info_.name), ": does not have slot ", slot));
  }
  const Entry& entry = found->second;
  const std::uint64_t blocks = (entry.image_bytes + kMostBlockBytes - 1) / kMostBlockBytes;
  PS_ASSIGN_OR_RETURN(
      std::string raw,
      storage_.Read(info_.name, entry.offset, entry.image_bytes + blocks * sizeof(SlotBlockHead)));
  std::string image;
  image.reserve(entry.image_bytes);
  for (std::size_t at = 0; at < raw.size();) {
    SlotBlockHead head;
    const std::uint64_t want = std::min(entry.image_bytes - image.size(), kMostBlockBytes);
    std::memcpy(&head, raw.data() + at, sizeof head);
    if (head.crc != CrcOfAllButLast(head) || head.slot != slot || head.bytes != want) {
      return Damaged(entry.offset + at, absl::StrCat("damaged block head of slot ", slot));
    }
    at += sizeof head;
    const std::string_view block = std::string_view(raw).substr(at, want);
    if (Crc32c(block) != head.bytes_crc) {
      return Damaged(entry.offset + at, absl::StrCat("damaged block of slot ", slot));
    }
    image += block;
    at += want;
  }
  if (Crc32c(image) != entry.crc) {
    return Damaged(entry.offset, absl::StrCat("blocks of another image of slot ", slot));
  }
  return image;
}

}  // namespace ps
