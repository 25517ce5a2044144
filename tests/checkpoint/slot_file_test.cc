#include "ps/checkpoint/slot_file.h"

#include <gtest/gtest.h>

#include "ps/checkpoint/checkpoint_loader.h"
#include "ps/checkpoint/local_storage.h"
#include "tests/bundle/scratch_directory.h"
#include "tests/checkpoint/checkpoint_sample.h"
#include "tests/checkpoint/memory_storage.h"

namespace ps {
namespace {

TEST(SlotFile, GivesBackEverySlotFromDiskAndMemory) {
  const ScratchDirectory scratch;
  LocalStorage local(scratch / "ck");
  MemoryStorage memory;
  for (CheckpointStorage* storage :
       {static_cast<CheckpointStorage*>(&local), static_cast<CheckpointStorage*>(&memory)}) {
    // Some images take several blocks.
    const SampleCheckpoint sample = WriteSample(*storage, 7, 4, 3, 3 << 20, 1);
    CheckpointReader reader(*storage);
    for (SlotIndex slot = 0; slot < 16; ++slot) {
      const auto image = reader.ReadSlot(7, slot);
      ASSERT_TRUE(image.ok()) << image.status();
      ASSERT_EQ(*image, sample.images[slot]);
    }
    EXPECT_TRUE(absl::IsInvalidArgument(reader.ReadSlot(7, 16).status()));
    EXPECT_TRUE(absl::IsNotFound(reader.ReadSlot(8, 0).status()));
    EXPECT_TRUE(VerifyCheckpoint(*storage, 7).ok());
    const auto file = SlotFileReader::Open(*storage, FileOf(sample.manifest, 1));
    ASSERT_TRUE(file.ok());
    EXPECT_EQ((*file)->header().checkpoint, 7u);
    EXPECT_EQ((*file)->header().incarnation, 0x101u);
    EXPECT_TRUE(absl::IsNotFound((*file)->ReadSlot(0).status()));
  }
}

TEST(SlotFile, OfTwoImagesOfASlotTheLaterCounts) {
  MemoryStorage storage;
  auto writer = SlotFileWriter::Create(storage, SampleHeader(1, 5, 4));
  ASSERT_TRUE((*writer)->Add(3, {1, 10}, "old").ok());
  ASSERT_TRUE((*writer)->Add(3, {2, 12}, "newer").ok());
  const auto info = (*writer)->Finish();
  const auto reader = SlotFileReader::Open(storage, *info);
  EXPECT_EQ(*(*reader)->ReadSlot(3), "newer");
  EXPECT_EQ((*reader)->VersionOf(3), (SlotVersion{2, 12}));
}

TEST(SlotFile, AnUnfinishedFileLeavesNothingAndReplacesNothing) {
  const ScratchDirectory scratch;
  LocalStorage storage(scratch / "ck");
  WriteSample(storage, 1, 2, 1, 1000, 1);
  const auto before = *storage.List("");
  {
    auto writer = SlotFileWriter::Create(storage, SampleHeader(1, 0x100, 2));
    ASSERT_TRUE((*writer)->Add(0, {9, 9}, "interrupted").ok());
    EXPECT_EQ(storage.List("")->size(), before.size());
  }
  const auto after = *storage.List("");
  ASSERT_EQ(after.size(), before.size());
  EXPECT_EQ(after[0].name, before[0].name);
  EXPECT_TRUE(VerifyCheckpoint(storage, 1).ok());
}

// Every flipped byte of a slot file is found, named with its file, and never gives another image.
TEST(SlotFile, DamageAtEveryByteIsNamed) {
  MemoryStorage storage;
  const SampleCheckpoint sample = WriteSample(storage, 1, 3, 1, 200, 4);
  const SlotFileInfo info = FileOf(sample.manifest, 0);
  const std::string good = storage.objects[info.name];
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string& bytes = storage.objects[info.name];
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    const absl::Status status = VerifyCheckpoint(storage, 1);
    ASSERT_TRUE(absl::IsDataLoss(status)) << at << " " << status;
    ASSERT_NE(status.message().find("memory:" + info.name + ": offset "), std::string::npos);
    bytes[at] = good[at];
  }
  EXPECT_TRUE(VerifyCheckpoint(storage, 1).ok());
}

TEST(SlotFile, DamageToOneSlotLeavesTheOthersReadable) {
  MemoryStorage storage;
  const SampleCheckpoint sample = WriteSample(storage, 1, 3, 1, 2 << 20, 4);
  const SlotFileInfo info = FileOf(sample.manifest, 0);
  storage.objects[info.name][128 + 16] ^= 1;  // the first byte of slot 0's first block
  CheckpointReader reader(storage);
  const absl::Status status = reader.ReadSlot(1, 0).status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_NE(status.message().find(": offset 144: damaged block of slot 0"), std::string::npos)
      << status;
  for (SlotIndex slot = 1; slot < 8; ++slot)
    EXPECT_EQ(*reader.ReadSlot(1, slot), sample.images[slot]);
}

TEST(SlotFile, CutShortAnywhereIsNamed) {
  const ScratchDirectory scratch;
  LocalStorage storage(scratch / "ck");
  const SampleCheckpoint sample = WriteSample(storage, 1, 2, 1, 100, 5);
  const SlotFileInfo info = FileOf(sample.manifest, 0);
  const std::string good = *storage.ReadAll(info.name);
  for (std::size_t cut = 0; cut < good.size(); cut += 3) {
    ASSERT_TRUE(WriteObject(storage, info.name, good.substr(0, cut)).ok());
    const absl::Status status = VerifyCheckpoint(storage, 1);
    ASSERT_TRUE(absl::IsDataLoss(status)) << cut << " " << status;
    ASSERT_NE(status.message().find(info.name), std::string::npos);
  }
  // The same for a manifest that says that it is so short.
  for (std::uint64_t bytes = 0; bytes < good.size(); ++bytes) {
    SlotFileInfo shorter = info;
    shorter.bytes = bytes;
    ASSERT_TRUE(absl::IsDataLoss(SlotFileReader::Open(storage, shorter).status()));
  }
}

TEST(SlotFile, AFileOfAnotherIncarnationIsNotTaken) {
  MemoryStorage storage;
  const SampleCheckpoint sample = WriteSample(storage, 1, 2, 1, 100, 5);
  const SampleCheckpoint other = WriteSample(storage, 2, 2, 1, 100, 6);
  storage.objects[sample.manifest.files(0).name()] =
      storage.objects[other.manifest.files(0).name()];
  EXPECT_TRUE(absl::IsDataLoss(VerifyCheckpoint(storage, 1)));
}

}  // namespace
}  // namespace ps
