// A small checkpoint of random slots, over one file or several.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "ps/checkpoint/manifest.h"
#include "ps/checkpoint/slot_file.h"

namespace ps {

inline SlotFileHeader SampleHeader(std::uint64_t checkpoint, std::uint64_t incarnation,
                                   int slot_bits) {
  return {.checkpoint = checkpoint, .incarnation = incarnation, .gen = 2, .slot_bits = slot_bits};
}

inline std::string RandomBytes(std::mt19937_64& random, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

inline checkpoint::Manifest SampleManifest(std::uint64_t id, int slot_bits) {
  checkpoint::Manifest manifest;
  manifest.set_format("hyperplane-checkpoint");
  manifest.set_version(1);
  manifest.set_id(id);
  manifest.set_gen(2);
  manifest.set_slot_bits(static_cast<std::uint32_t>(slot_bits));
  manifest.set_chunks(100);
  auto* interval = manifest.add_done();
  interval->set_first(3);
  interval->set_last(7);
  return manifest;
}

struct SampleCheckpoint {
  checkpoint::Manifest manifest;
  std::vector<std::string> images;  // of each slot
};

// Writes slots of `id` in `files` files, round robin, and the manifest.
inline SampleCheckpoint WriteSample(CheckpointStorage& storage, std::uint64_t id, int slot_bits,
                                    int files, std::size_t most_bytes, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  SampleCheckpoint sample{SampleManifest(id, slot_bits), {}};
  std::vector<std::unique_ptr<SlotFileWriter>> writers;
  for (int file = 0; file < files; ++file) {
    auto writer = SlotFileWriter::Create(storage, SampleHeader(id, 0x100 + file, slot_bits));
    EXPECT_TRUE(writer.ok()) << writer.status();
    writers.push_back(*std::move(writer));
  }
  for (SlotIndex slot = 0; slot < 1u << slot_bits; ++slot) {
    sample.images.push_back(RandomBytes(random, random() % (most_bytes + 1)));
    const SlotVersion version = {1 + random() % 3, random() % 1000};
    EXPECT_TRUE(writers[slot % files]->Add(slot, version, sample.images.back()).ok());
    sample.manifest.add_slot_file(slot % files);
    sample.manifest.add_slot_term(version.term);
    sample.manifest.add_slot_seq(version.seq);
  }
  for (auto& writer : writers) {
    const auto info = writer->Finish();
    EXPECT_TRUE(info.ok()) << info.status();
    AddFile(*info, sample.manifest);
  }
  EXPECT_TRUE(WriteManifest(storage, sample.manifest).ok());
  return sample;
}

}  // namespace ps
