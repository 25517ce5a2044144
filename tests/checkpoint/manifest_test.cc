#include "ps/checkpoint/manifest.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/checkpoint/checkpoint_sample.h"
#include "tests/checkpoint/memory_storage.h"

namespace ps {
namespace {

TEST(Manifest, GivesBackWhatWasWritten) {
  MemoryStorage storage;
  SampleCheckpoint sample = WriteSample(storage, 12, 3, 2, 50, 1);
  sample.manifest.set_progress(std::string("\x00\xff rows", 7));
  sample.manifest.set_gen(0xffffffffffffffffu);
  ASSERT_TRUE(WriteManifest(storage, sample.manifest).ok());
  const auto read = ReadManifest(storage, 12);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->SerializeAsString(), sample.manifest.SerializeAsString());
  EXPECT_EQ(*ListCheckpoints(storage), std::vector<std::uint64_t>{12});
}

TEST(Manifest, DamageAtEveryByteIsRefused) {
  MemoryStorage storage;
  WriteSample(storage, 12, 2, 2, 50, 1);
  const std::string good = storage.objects[ManifestName(12)];
  std::string& bytes = storage.objects[ManifestName(12)];
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      bytes[at] = static_cast<char>(good[at] ^ (1 << bit));
      const absl::Status status = ReadManifest(storage, 12).status();
      ASSERT_TRUE(absl::IsDataLoss(status)) << at;
      ASSERT_NE(status.message().find("memory:manifests/0000000012.json"), std::string::npos);
    }
    bytes[at] = good[at];
  }
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    bytes = good.substr(0, cut);
    ASSERT_TRUE(absl::IsDataLoss(ReadManifest(storage, 12).status())) << cut;
  }
}

TEST(Manifest, WhatDoesNotHoldTogetherIsRefused) {
  MemoryStorage storage;
  const checkpoint::Manifest good = WriteSample(storage, 1, 2, 2, 50, 1).manifest;
  const auto wrong = [&](auto change) {
    checkpoint::Manifest manifest = good;
    change(manifest);
    return absl::IsInvalidArgument(CheckManifest(manifest));
  };
  EXPECT_TRUE(CheckManifest(good).ok());
  EXPECT_TRUE(wrong([](auto& m) { m.set_version(2); }));
  EXPECT_TRUE(wrong([](auto& m) { m.set_format("bundle"); }));
  EXPECT_TRUE(wrong([](auto& m) { m.set_slot_bits(3); }));
  EXPECT_TRUE(wrong([](auto& m) { m.set_slot_bits(40); }));
  EXPECT_TRUE(wrong([](auto& m) { m.set_slot_file(0, 2); }));
  EXPECT_TRUE(wrong([](auto& m) { m.mutable_slot_seq()->RemoveLast(); }));
  EXPECT_TRUE(wrong([](auto& m) { m.mutable_files(0)->set_name("../../etc/passwd"); }));
  EXPECT_TRUE(wrong([](auto& m) { m.mutable_files(0)->set_crc32c("123"); }));
  EXPECT_TRUE(wrong([](auto& m) { *m.mutable_files(1) = m.files(0); }));
  EXPECT_TRUE(wrong([](auto& m) { m.mutable_done(0)->set_last(2); }));
  EXPECT_TRUE(wrong([](auto& m) { m.mutable_done(0)->set_last(100); }));
  EXPECT_TRUE(wrong([](auto& m) { *m.add_done() = m.done(0); }));
  EXPECT_TRUE(wrong([](auto& m) { m.set_id(0); }));
}

TEST(Manifest, IdsAreNeverUsedAgain) {
  MemoryStorage storage;
  EXPECT_EQ(*NextCheckpointId(storage), 1u);
  WriteSample(storage, 3, 2, 1, 50, 1);
  EXPECT_EQ(*NextCheckpointId(storage), 4u);
  // One that was interrupted before its manifest.
  auto writer = SlotFileWriter::Create(storage, SampleHeader(9, 1, 2));
  ASSERT_TRUE((*writer)->Finish().ok());
  storage.objects["slots/notes.txt"] = "";
  EXPECT_EQ(*NextCheckpointId(storage), 10u);
}

// Random chains of full and incremental checkpoints: what is kept stays whole, what is not needed
// goes.
TEST(Retention, KeepsExactlyWhatKeptManifestsReferTo) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    std::mt19937_64 random(seed);
    MemoryStorage storage;
    checkpoint::Manifest last;
    for (std::uint64_t id = 1; id <= 20; ++id) {
      if (id == 1 || random() % 4 == 0) {
        last = WriteSample(storage, id, 3, 1 + random() % 3, 40, random()).manifest;
      } else {
        // Some slots are written anew; the others stay where they are.
        auto writer = SlotFileWriter::Create(storage, SampleHeader(id, 1, 3));
        last.set_id(id);
        const auto file = static_cast<std::uint32_t>(last.files_size());
        for (int slot = 0; slot < 8; ++slot) {
          if (random() % 3 != 0) continue;
          ASSERT_TRUE((*writer)->Add(slot, {5, id}, "image of " + std::to_string(id)).ok());
          last.set_slot_file(slot, file);
          last.set_slot_term(slot, 5);
          last.set_slot_seq(slot, id);
        }
        AddFile(*(*writer)->Finish(), last);
        ASSERT_TRUE(DropUnusedFiles(last).ok());
        ASSERT_TRUE(WriteManifest(storage, last).ok());
      }
      const int keep = 1 + static_cast<int>(random() % 3);
      // A file of a checkpoint that is on its way is not touched.
      storage.objects[SlotFileName(id + 1, 77)] = "being written";
      ASSERT_TRUE(RemoveOldCheckpoints(storage, keep).ok());
      ASSERT_TRUE(storage.objects.contains(SlotFileName(id + 1, 77)));
      storage.objects.erase(SlotFileName(id + 1, 77));
      const auto ids = *ListCheckpoints(storage);
      ASSERT_EQ(ids.back(), id);
      ASSERT_LE(ids.size(), static_cast<std::size_t>(keep));
      std::set<std::string> needed;
      for (const std::uint64_t kept : ids) {
        ASSERT_TRUE(VerifyCheckpoint(storage, kept).ok()) << seed << " " << kept;
        const auto manifest = ReadManifest(storage, kept);
        for (const auto& file : manifest->files()) needed.insert(file.name());
      }
      const auto left = storage.List("slots/");
      for (const StoredObject& object : *left) {
        ASSERT_TRUE(needed.contains(object.name)) << object.name;
      }
    }
  }
}

TEST(Retention, StopsAtADamagedManifest) {
  MemoryStorage storage;
  for (std::uint64_t id = 1; id <= 4; ++id) WriteSample(storage, id, 2, 1, 40, id);
  storage.objects[ManifestName(3)][5] ^= 1;
  const auto before = storage.objects;
  EXPECT_TRUE(absl::IsDataLoss(RemoveOldCheckpoints(storage, 2)));
  EXPECT_EQ(storage.objects, before);
}

}  // namespace
}  // namespace ps
