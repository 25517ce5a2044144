#include "ps/state_store/state_log.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "ps/base/crc32c.h"

namespace ps {
namespace {

using Records = std::vector<std::pair<std::string, std::string>>;

// A log of random commits, with what it holds after each.
struct RandomLog {
  std::string bytes;
  std::vector<std::size_t> ends;
  std::vector<StateRecords> states;
};

RandomLog MakeLog(std::uint64_t seed, int commits) {
  std::mt19937_64 random(seed);
  RandomLog log;
  StateRecords state;
  for (int i = 0; i < commits; ++i) {
    Records records;
    for (std::uint64_t n = random() % 4; n > 0; --n) {
      std::string value(random() % 24, '\0');
      for (char& byte : value) byte = static_cast<char>(random());
      if (random() % 5 == 0) value += "HPSL";  // the magic may lie inside a value
      records.emplace_back("name" + std::to_string(random() % 5), value);
      state[records.back().first] = records.back().second;
    }
    log.bytes += *EncodeStateFrame({.sequence = 7u + i, .term = 3}, records);
    log.ends.push_back(log.bytes.size());
    log.states.push_back(state);
  }
  return log;
}

// The commits that lie wholly in the first `bytes` bytes.
std::size_t WholeCommits(const RandomLog& log, std::size_t bytes) {
  std::size_t whole = 0;
  while (whole < log.ends.size() && log.ends[whole] <= bytes) ++whole;
  return whole;
}

TEST(StateLog, CutAtEveryByteHoldsTheWholeCommitsBeforeTheCut) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const RandomLog log = MakeLog(seed, 12);
    for (std::size_t cut = 0; cut <= log.bytes.size(); ++cut) {
      const auto read = ReadStateLog("f", std::string_view(log.bytes).substr(0, cut));
      const std::size_t whole = WholeCommits(log, cut);
      if (whole == 0) {
        ASSERT_TRUE(absl::IsDataLoss(read.status())) << seed << " " << cut;
        continue;
      }
      ASSERT_TRUE(read.ok()) << seed << " " << cut << " " << read.status();
      ASSERT_EQ(read->records, log.states[whole - 1]);
      ASSERT_EQ(read->last.sequence, 7 + whole - 1);
      ASSERT_EQ(read->last.term, 3u);
      ASSERT_EQ(read->whole_bytes, log.ends[whole - 1]);
    }
  }
}

TEST(StateLog, TornSectorsOfTheLastCommitAreIgnored) {
  // A machine that dies may leave any part of the last write as zeros or as old content.
  std::mt19937_64 random(5);
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const RandomLog log = MakeLog(seed, 6);
    const std::size_t begin = log.ends[4], end = log.ends[5];
    std::string torn = log.bytes;
    const std::size_t from = begin + random() % (end - begin);
    const std::size_t to = from + 1 + random() % (end - from);
    for (std::size_t i = from; i < to; ++i) torn[i] = static_cast<char>(seed % 2 ? 0 : random());
    const auto read = ReadStateLog("f", torn);
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_EQ(read->records, log.states[torn == log.bytes ? 5 : 4]) << seed;
  }
}

TEST(StateLog, DamageInTheMiddleIsRefusedWithFileAndOffset) {
  const RandomLog log = MakeLog(3, 8);
  const std::size_t last_begin = log.ends[6];
  for (std::size_t at = 0; at < last_begin; ++at) {
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string damaged = log.bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      const auto read = ReadStateLog("dir/state", damaged);
      ASSERT_TRUE(absl::IsDataLoss(read.status())) << at;
      const std::size_t whole = WholeCommits(log, at);
      const std::size_t offset = whole == 0 ? 0 : log.ends[whole - 1];
      ASSERT_EQ(std::string(read.status().message())
                    .find("dir/state: offset " + std::to_string(offset) + ":"),
                0u)
          << read.status();
    }
  }
}

TEST(StateLog, AMissingCommitIsRefused) {
  const RandomLog log = MakeLog(4, 8);
  std::string missing = log.bytes;
  missing.erase(log.ends[2], log.ends[3] - log.ends[2]);
  EXPECT_TRUE(absl::IsDataLoss(ReadStateLog("f", missing).status()));
  // Nor may one appear twice.
  std::string twice = log.bytes.substr(0, log.ends[3]) + log.bytes.substr(log.ends[2]);
  EXPECT_TRUE(absl::IsDataLoss(ReadStateLog("f", twice).status()));
}

TEST(StateLog, RecordsThatOverrunTheirFrameAreRefused) {
  std::string frame = *EncodeStateFrame({.sequence = 1, .term = 1}, Records{{"a", "bc"}});
  frame[kStateFrameHeaderBytes] = 200;  // the name's size
  const auto put32 = [&](std::size_t at, std::uint32_t value) {
    for (int i = 0; i < 4; ++i) frame[at + i] = static_cast<char>(value >> (8 * i));
  };
  put32(24, Crc32c(std::string_view(frame).substr(kStateFrameHeaderBytes)));
  put32(28, Crc32c(std::string_view(frame).substr(0, 28)));
  EXPECT_TRUE(absl::IsDataLoss(ReadStateLog("f", frame).status()));
}

TEST(StateLog, RandomBytesAreNoLog) {
  std::mt19937_64 random(9);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (i % 2 == 0) bytes.insert(0, "HPSL");
    EXPECT_TRUE(absl::IsDataLoss(ReadStateLog("f", bytes).status()));
  }
}

}  // namespace
}  // namespace ps
