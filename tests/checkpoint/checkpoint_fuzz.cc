#include "tests/checkpoint/checkpoint_fuzz.h"

#include <cstdlib>
#include <cstring>

#include "absl/strings/str_format.h"
#include "ps/checkpoint/manifest.h"
#include "ps/checkpoint/slot_file.h"
#include "ps/checkpoint/slot_file_format.h"
#include "ps/state_store/state_log.h"
#include "tests/checkpoint/memory_storage.h"

namespace ps {
namespace {

// Stores `crc` of the bytes [begin, end) at `at`.
void Mend(std::string& bytes, std::size_t begin, std::size_t end, std::size_t at) {
  const std::uint32_t crc = Crc32c(std::string_view(bytes).substr(begin, end - begin));
  std::memcpy(bytes.data() + at, &crc, sizeof crc);
}

void MendAll(std::string& bytes) {
  const std::size_t foot_at = bytes.size() - sizeof(SlotFileFoot);
  SlotFileFoot foot;
  std::memcpy(&foot, bytes.data() + foot_at, sizeof foot);
  Mend(bytes, 0, 124, 124);
  if (foot.index_offset < foot_at) Mend(bytes, foot.index_offset, foot_at, foot_at + 12);
  Mend(bytes, foot_at, foot_at + 28, foot_at + 28);
}

}  // namespace

std::string SlotFileSeed() {
  MemoryStorage storage;
  auto writer =
      SlotFileWriter::Create(storage, {.checkpoint = 1, .incarnation = 2, .slot_bits = 3});
  for (SlotIndex slot = 0; slot < 8; slot += 2) {
    if (!(*writer)->Add(slot, {1, slot}, std::string(slot * 9, 'i')).ok()) std::abort();
  }
  if (!(*writer)->Finish().ok()) std::abort();
  return storage.objects.begin()->second;
}

void TrySlotFile(std::string bytes, bool mend) {
  SlotFileInfo info{"slots/x", bytes.size(), 0, 0};
  if (bytes.size() >= sizeof(SlotFileHead) + sizeof(SlotFileFoot)) {
    if (mend) MendAll(bytes);
    SlotFileFoot foot;
    const std::size_t foot_at = bytes.size() - sizeof foot;
    std::memcpy(&foot, bytes.data() + foot_at, sizeof foot);
    info.crc = Crc32c(std::string_view(bytes).substr(0, sizeof(SlotFileHead)));
    if (foot.index_offset <= foot_at) {
      info.crc = ExtendCrc32c(info.crc, std::string_view(bytes).substr(foot.index_offset));
    }
    std::memcpy(&info.incarnation, bytes.data() + 24, sizeof info.incarnation);
  }
  MemoryStorage storage;
  storage.objects[info.name] = std::move(bytes);
  const auto reader = SlotFileReader::Open(storage, info);
  if (!reader.ok()) return;
  for (SlotIndex slot = 0; slot < 1u << (*reader)->header().slot_bits; ++slot) {
    if (!(*reader)->Has(slot)) continue;
    const auto image = (*reader)->ReadSlot(slot);
    if (image.ok() && image->size() > info.bytes) std::abort();
  }
}

void TryManifest(std::string_view bytes) {
  MemoryStorage storage;
  storage.objects[ManifestName(1)] = std::string(bytes) + absl::StrFormat("%08x\n", Crc32c(bytes));
  const auto manifest = ReadManifest(storage, 1);
  if (!manifest.ok()) return;
  for (const std::uint32_t file : manifest->slot_file()) (void)FileOf(*manifest, file);
  (void)VerifyCheckpoint(storage, 1);
}

void TryStateLog(std::string_view bytes) {
  const auto log = ReadStateLog("fuzz", bytes);
  if (log.ok() && log->whole_bytes > bytes.size()) std::abort();
}

}  // namespace ps
