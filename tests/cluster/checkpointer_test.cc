// What the checkpointer takes for a whole checkpoint, shard by shard and message by message.
#include "scheduler/checkpointer.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ps/checkpoint/manifest.h"

namespace ps {
namespace {

using std::chrono::milliseconds;

// Remembers what it is given, and answers when it is told to.
class GivenCatalog : public CheckpointCatalog {
 public:
  std::uint64_t NextId() override { return next_id++; }
  void Commit(const checkpoint::Manifest& manifest, std::uint64_t used) override {
    committed = manifest;
    in_use = used;
  }
  std::optional<absl::Status> Poll() override { return std::exchange(answer, std::nullopt); }

  std::uint64_t next_id = 1;
  std::optional<checkpoint::Manifest> committed;
  std::uint64_t in_use = 99;
  std::optional<absl::Status> answer;
};

class CheckpointerTest : public testing::Test {
 protected:
  static constexpr int kSlots = 4;

  CheckpointerTest() : slots_(2, 2) {
    slots_.Start({{1, {"a"}}, {2, {"b"}}});
    slots_.Seal();
  }

  static checkpoint::Manifest Head(std::uint64_t gen) {
    checkpoint::Manifest head;
    head.set_format("hyperplane-checkpoint");
    head.set_version(1);
    head.set_gen(gen);
    head.set_slot_bits(2);
    head.set_lanes(1);
    head.set_floats_per_lane(2);
    head.set_optimizer("ftrl");
    head.set_chunks(3);
    return head;
  }

  std::vector<Checkpointer::Shard> Primaries() const {
    std::vector<Checkpointer::Shard> shards;
    for (NodeId node = 1; node <= 2; ++node) {
      for (SlotIndex slot = 0; slot < kSlots; ++slot) {
        if (slots_.config(slot).primary() != node) continue;
        shards.push_back({node, node == 1 ? "one" : "two", 10u + node});
        break;
      }
    }
    return shards;
  }

  // Of the slots that the node is primary of, or of all with `term`.
  Message Part(NodeId node, std::uint64_t id, std::uint64_t gen, std::uint64_t seq,
               std::uint64_t term = 0) const {
    Message message;
    message.body.set_gen(gen);
    wire::CheckpointPart& part = *message.body.mutable_checkpoint_part();
    part.set_id(id);
    part.set_incarnation(10 + node);
    part.set_bytes(1000);
    part.set_crc(7);
    std::string lines;
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      if (term == 0 && slots_.config(slot).primary() != node) continue;
      const std::uint32_t words[2] = {slot, 1};
      const std::uint64_t version[2] = {term == 0 ? slots_.config(slot).term : term, seq};
      lines.append(reinterpret_cast<const char*>(words), sizeof words);
      lines.append(reinterpret_cast<const char*>(version), sizeof version);
    }
    message.sections.push_back(lines);
    return message;
  }

  void Tick(Checkpointer& checkpointer) {
    now_ += milliseconds(100);
    checkpointer.OnTick(Primaries(), slots_, now_, outbox_);
  }

  // A whole checkpoint, committed and answered.
  void Write(Checkpointer& checkpointer, std::uint64_t id) {
    checkpointer.Begin(Head(0), now_);
    Tick(checkpointer);
    for (const auto& shard : Primaries()) {
      checkpointer.OnPart(shard, Part(shard.node, id, 0, 5), slots_, now_);
    }
    Tick(checkpointer);
    catalog_->answer = absl::OkStatus();
    Tick(checkpointer);
  }

  SlotMap slots_;
  std::shared_ptr<GivenCatalog> catalog_ = std::make_shared<GivenCatalog>();
  MonotonicTime now_{0};
  Outbox outbox_;
};

TEST_F(CheckpointerTest, ExistsOnceEveryPartIsThereAndTheManifestIsWritten) {
  Checkpointer checkpointer({.every = milliseconds(1000)}, catalog_, std::nullopt);
  Tick(checkpointer);
  EXPECT_FALSE(checkpointer.Due(now_));
  now_ += milliseconds(2000);
  ASSERT_TRUE(checkpointer.Due(now_));
  checkpointer.Begin(Head(0), now_);
  Tick(checkpointer);
  ASSERT_EQ(outbox_.items().size(), 2u);
  checkpointer.OnPart(Primaries()[0], Part(1, 1, 0, 5), slots_, now_);
  Tick(checkpointer);
  EXPECT_FALSE(catalog_->committed.has_value());
  checkpointer.OnPart(Primaries()[1], Part(2, 1, 0, 6), slots_, now_);
  Tick(checkpointer);
  ASSERT_TRUE(catalog_->committed.has_value());
  EXPECT_TRUE(CheckManifest(*catalog_->committed).ok());
  EXPECT_EQ(catalog_->committed->files_size(), 2);
  EXPECT_EQ(checkpointer.latest(), nullptr);
  catalog_->answer = absl::OkStatus();
  Tick(checkpointer);
  ASSERT_NE(checkpointer.latest(), nullptr);
  EXPECT_EQ(checkpointer.latest()->id(), 1u);
  EXPECT_FALSE(checkpointer.Due(now_));
}

// A shard that does not know yet that it was replaced.
TEST_F(CheckpointerTest, ASlotCountsOnlyFromItsPrimaryInItsTerm) {
  Checkpointer checkpointer({}, catalog_, std::nullopt);
  checkpointer.Begin(Head(0), now_);
  Tick(checkpointer);
  const std::vector<Checkpointer::Shard> primaries = Primaries();
  slots_.Remove({1});
  slots_.Seal();
  ASSERT_EQ(Primaries().size(), 1u);
  checkpointer.OnPart(primaries[0], Part(1, 1, 0, 5, /*term=*/1), slots_, now_);
  checkpointer.OnPart(primaries[1], Part(2, 1, 0, 5, /*term=*/1), slots_, now_);
  Tick(checkpointer);
  EXPECT_FALSE(catalog_->committed.has_value());
  EXPECT_TRUE(checkpointer.idle());
  EXPECT_TRUE(checkpointer.failed_last());
}

TEST_F(CheckpointerTest, PartsOfAnotherGenIdOrIncarnationDoNotCount) {
  Checkpointer checkpointer({}, catalog_, std::nullopt);
  checkpointer.Begin(Head(1), now_);
  Tick(checkpointer);
  for (const auto& shard : Primaries()) {
    checkpointer.OnPart(shard, Part(shard.node, 1, 0, 5), slots_, now_);
    checkpointer.OnPart(shard, Part(shard.node, 2, 1, 5), slots_, now_);
    Checkpointer::Shard other = shard;
    ++other.incarnation;
    checkpointer.OnPart(other, Part(shard.node, 1, 1, 5), slots_, now_);
    Message cut = Part(shard.node, 1, 1, 5);
    cut.sections[0].pop_back();
    checkpointer.OnPart(shard, cut, slots_, now_);
  }
  Tick(checkpointer);
  EXPECT_FALSE(catalog_->committed.has_value());
  EXPECT_FALSE(checkpointer.idle());
}

TEST_F(CheckpointerTest, OneThatARollbackOvertookIsNotCountedOn) {
  Checkpointer checkpointer({}, catalog_, std::nullopt);
  Write(checkpointer, 1);
  ASSERT_NE(checkpointer.latest(), nullptr);
  EXPECT_EQ(catalog_->in_use, 0u);
  checkpointer.Begin(Head(0), now_);
  Tick(checkpointer);
  for (const auto& shard : Primaries()) {
    checkpointer.OnPart(shard, Part(shard.node, 2, 0, 9), slots_, now_);
  }
  Tick(checkpointer);
  EXPECT_EQ(catalog_->committed->id(), 2u);
  EXPECT_EQ(catalog_->in_use, 1u);
  checkpointer.Abort("a rollback", now_);
  catalog_->answer = absl::OkStatus();
  Tick(checkpointer);
  EXPECT_EQ(checkpointer.latest()->id(), 1u);
  // The next one has everything: what the voided one says of slots is not built on.
  checkpointer.Begin(Head(1), now_);
  Tick(checkpointer);
  EXPECT_TRUE(outbox_.items().back().message.sections.empty());
}

TEST_F(CheckpointerTest, WhatHasNotChangedStaysInTheOlderFiles) {
  Checkpointer checkpointer({}, catalog_, std::nullopt);
  Write(checkpointer, 1);
  checkpointer.Begin(Head(0), now_);
  Tick(checkpointer);
  EXPECT_EQ(outbox_.items().back().message.sections.at(0).size(), 16u * kSlots);
  Message unchanged = Part(1, 2, 0, 5);
  for (std::size_t at = 4; at < unchanged.sections[0].size(); at += 24)
    unchanged.sections[0][at] = 0;
  unchanged.body.mutable_checkpoint_part()->set_bytes(0);
  checkpointer.OnPart(Primaries()[0], unchanged, slots_, now_);
  checkpointer.OnPart(Primaries()[1], Part(2, 2, 0, 8), slots_, now_);
  Tick(checkpointer);
  ASSERT_EQ(catalog_->committed->id(), 2u);
  EXPECT_FALSE(catalog_->committed->full());
  for (int slot = 0; slot < kSlots; ++slot) {
    const bool first = slots_.config(slot).primary() == 1;
    const SlotFileInfo file = FileOf(*catalog_->committed, catalog_->committed->slot_file(slot));
    EXPECT_EQ(file.name, SlotFileName(first ? 1 : 2, first ? 11 : 12));
    EXPECT_EQ(catalog_->committed->slot_seq(slot), first ? 5u : 8u);
  }
}

TEST_F(CheckpointerTest, AFullDiskIsToldAndTheNextIsTriedSoon) {
  Checkpointer checkpointer({}, catalog_, std::nullopt);
  checkpointer.Begin(Head(0), now_);
  Tick(checkpointer);
  Message part = Part(1, 1, 0, 5);
  part.body.mutable_checkpoint_part()->set_status_code(8);
  part.body.mutable_checkpoint_part()->set_message("no space left on the disk");
  std::string told;
  checkpointer.Ask([&](const absl::StatusOr<std::string>& answer) {
    told = std::string(answer.status().message());
  });
  checkpointer.OnPart(Primaries()[0], part, slots_, now_);
  EXPECT_TRUE(checkpointer.idle());
  EXPECT_NE(told.find("no space left on the disk"), std::string::npos);
  EXPECT_NE(checkpointer.TakeNews().find("no space left"), std::string::npos);
  now_ += std::chrono::seconds(6);
  EXPECT_TRUE(checkpointer.Due(now_));
}

}  // namespace
}  // namespace ps
