// The writer's and the loader's threads: everything arrives, memory is bounded, disks fill up.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <map>
#include <random>
#include <thread>

#include "ps/checkpoint/checkpoint_catalog.h"
#include "ps/checkpoint/checkpoint_loader.h"
#include "ps/checkpoint/checkpoint_writer.h"
#include "ps/checkpoint/local_storage.h"
#include "tests/bundle/scratch_directory.h"
#include "tests/checkpoint/checkpoint_sample.h"

namespace ps {
namespace {

template <typename Polled>
auto PollUntil(Polled& object) {
  auto event = object.Poll();
  while (!event.has_value()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    event = object.Poll();
  }
  return *std::move(event);
}

void SubmitAll(CheckpointWriter& writer, const std::vector<std::string>& images) {
  for (SlotIndex slot = 0; slot < images.size(); ++slot) {
    std::string image = images[slot];
    while (!writer.Submit(slot, {1, slot}, std::move(image))) {
      ASSERT_EQ(image, images[slot]);  // what is not taken is left alone
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
}

std::vector<std::string> RandomImages(int slots, std::size_t bytes) {
  std::mt19937_64 random(1);
  std::vector<std::string> images;
  for (int slot = 0; slot < slots; ++slot) images.push_back(RandomBytes(random, bytes));
  return images;
}

TEST(CheckpointThreads, WhatIsWrittenIsLoaded) {
  const ScratchDirectory scratch;
  const auto storage = std::make_shared<LocalStorage>(scratch / "ck");
  const std::vector<std::string> images = RandomImages(64, 100'000);
  ThreadedCheckpointWriter writer(storage, 250'000);  // two images and a half
  checkpoint::Manifest manifest = SampleManifest(5, 6);
  writer.Begin(SampleHeader(5, 9, 6));
  SubmitAll(writer, images);
  writer.Finish();
  const CheckpointWriter::Event event = PollUntil(writer);
  ASSERT_TRUE(event.status.ok()) << event.status;
  EXPECT_EQ(event.checkpoint, 5u);
  AddFile(event.file, manifest);
  for (SlotIndex slot = 0; slot < 64; ++slot) {
    manifest.add_slot_file(0);
    manifest.add_slot_term(1);
    manifest.add_slot_seq(slot);
  }
  ASSERT_TRUE(WriteManifest(*storage, manifest).ok());

  ThreadedCheckpointLoader loader(storage, 150'000);
  for (SlotIndex slot = 64; slot-- > 0;) loader.Request(5, slot);
  loader.Request(6, 0);
  for (SlotIndex slot = 64; slot-- > 0;) {
    const CheckpointLoader::Loaded loaded = PollUntil(loader);
    ASSERT_EQ(loaded.slot, slot);
    ASSERT_TRUE(loaded.image.ok()) << loaded.image.status();
    ASSERT_EQ(*loaded.image, images[slot]);
  }
  EXPECT_TRUE(absl::IsNotFound(PollUntil(loader).image.status()));
}

TEST(CheckpointThreads, BeginAndAbortAbandonWhatIsUnfinished) {
  const ScratchDirectory scratch;
  const auto storage = std::make_shared<LocalStorage>(scratch / "ck");
  const std::vector<std::string> images = RandomImages(8, 100'000);
  ThreadedCheckpointWriter writer(storage);
  for (std::uint64_t id = 1; id <= 20; ++id) {
    writer.Begin(SampleHeader(id, 9, 3));
    SubmitAll(writer, images);
    if (id % 3 == 0) writer.Abort();
  }
  writer.Begin(SampleHeader(21, 9, 3));
  SubmitAll(writer, images);
  writer.Finish();
  const CheckpointWriter::Event event = PollUntil(writer);
  EXPECT_EQ(event.checkpoint, 21u);
  EXPECT_TRUE(event.status.ok());
  const auto left = storage->List("");
  ASSERT_EQ(left->size(), 1u);
  EXPECT_EQ(left->front().name, SlotFileName(21, 9));
  EXPECT_FALSE(writer.Poll().has_value());
}

TEST(CheckpointThreads, AFullDiskIsReportedOnceAndTheNextCheckpointSucceeds) {
  const ScratchDirectory scratch;
  const auto storage = std::make_shared<LocalStorage>(scratch / "ck");
  const std::vector<std::string> images = RandomImages(8, 100'000);
  ThreadedCheckpointWriter writer(storage);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old;
  ::getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small = {300'000, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  writer.Begin(SampleHeader(1, 9, 3));
  SubmitAll(writer, images);
  writer.Finish();
  const CheckpointWriter::Event full = PollUntil(writer);
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_TRUE(absl::IsResourceExhausted(full.status)) << full.status;
  EXPECT_NE(full.status.message().find(SlotFileName(1, 9)), std::string::npos) << full.status;
  writer.Begin(SampleHeader(2, 9, 3));
  SubmitAll(writer, images);
  writer.Finish();
  const CheckpointWriter::Event good = PollUntil(writer);
  EXPECT_EQ(good.checkpoint, 2u);
  EXPECT_TRUE(good.status.ok()) << good.status;
  EXPECT_EQ(storage->List("")->size(), 1u);
}

// The catalog commits one after the other, thins out, and leaves the one in use.
TEST(CheckpointThreads, TheCatalogKeepsTheNewestAndTheOneInUse) {
  const ScratchDirectory scratch;
  const auto storage = std::make_shared<LocalStorage>(scratch / "ck");
  for (std::uint64_t id = 1; id <= 4; ++id) WriteSample(*storage, id, 2, 1, 1000, id);
  EXPECT_EQ(NextCheckpointId(*storage).value(), 5u);
  {
    ThreadedCheckpointCatalog catalog(storage, 2, 5);
    EXPECT_EQ(catalog.NextId(), 5u);
    EXPECT_EQ(catalog.NextId(), 6u);
    catalog.Commit(ReadManifest(*storage, 4).value(), /*in_use=*/1);
    EXPECT_TRUE(PollUntil(catalog).ok());
    EXPECT_EQ(ListCheckpoints(*storage).value(), (std::vector<std::uint64_t>{1, 3, 4}));
    checkpoint::Manifest bad = ReadManifest(*storage, 4).value();
    bad.clear_files();
    catalog.Commit(bad, 4);
    EXPECT_FALSE(PollUntil(catalog).ok());
    catalog.Commit(ReadManifest(*storage, 4).value(), 4);  // written although nobody asks any more
  }
  EXPECT_EQ(ListCheckpoints(*storage).value(), (std::vector<std::uint64_t>{3, 4}));
  ASSERT_TRUE(RemoveAllCheckpoints(*storage).ok());
  EXPECT_TRUE(storage->List("").value().empty());
}

}  // namespace
}  // namespace ps
