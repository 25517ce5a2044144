// RangeReader and BlockStream against the plain definition: a line belongs to the range that holds
// its first byte.
#include <unistd.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/data/data_files.h"
#include "tests/data/compressed_text.h"

namespace ps {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kNoEnd = ~std::uint64_t{0};

std::string Unique(const std::string& name) { return name + "_" + std::to_string(::getpid()); }

// The lines of `text` that begin in [begin, end), and where the first one does.
std::string NaiveLines(const std::string& text, std::uint64_t begin, std::uint64_t end,
                       std::uint64_t* first) {
  std::string lines;
  *first = begin;
  for (std::size_t line = 0; line < text.size();) {
    const std::size_t newline = text.find('\n', line);
    const std::size_t next = newline == std::string::npos ? text.size() : newline + 1;
    if (line >= begin && line < end) {
      if (lines.empty()) *first = line;
      lines += text.substr(line, next - line);
    }
    line = next;
  }
  return lines;
}

struct Store {
  const char* name;
  std::string (*pack)(const std::string&);
};

std::string AsIs(const std::string& text) { return text; }
std::string OneMember(const std::string& text) { return Gzip(text); }
std::string ManyMembers(const std::string& text) {
  std::string packed;
  for (std::size_t at = 0; at < text.size(); at += 13) packed += Gzip(text.substr(at, 13));
  return packed + Gzip("") + std::string(5, '\0');
}
std::string OneFrame(const std::string& text) { return Zstd(text); }
std::string ManyFrames(const std::string& text) {
  std::string packed("\x50\x2a\x4d\x18\x03\x00\x00\x00xyz", 11);  // a skippable frame
  for (std::size_t at = 0; at < text.size(); at += 17) packed += Zstd(text.substr(at, 17));
  return packed + Zstd("");
}

class Stored : public ::testing::TestWithParam<Store> {
 protected:
  DataFiles Files(const std::vector<std::string>& texts) {
    std::vector<std::string> paths;
    for (const std::string& text : texts) {
      paths.push_back(WriteFile(
          Unique(std::string("stored_") + GetParam().name + "_" + std::to_string(paths.size())),
          GetParam().pack(text)));
    }
    auto data = DataFiles::Open(paths);
    EXPECT_TRUE(data.ok()) << data.status();
    for (std::uint32_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(*data->DecompressedBytes(i), texts[i].size());
    }
    return *std::move(data);
  }
};

INSTANTIATE_TEST_SUITE_P(All, Stored,
                         ::testing::Values(Store{"plain", AsIs}, Store{"gzip", OneMember},
                                           Store{"gzip_members", ManyMembers},
                                           Store{"zstd", OneFrame},
                                           Store{"zstd_frames", ManyFrames}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(Stored, RangesOfEverySizePartTheRows) {
  const std::vector<std::string> texts = {
      "1 2:3\n0 4:5 6:7\n\n\n1 9:1\n",  // empty lines
      "1 2:3\r\n0 4:5 6:7\r\n1 9:1",    // CRLF, no newline at the end
      "\n",
      "",
      "no newline at all",
      "a\n" + std::string(70, 'x') + "\nb\n\n",  // a line longer than most ranges
  };
  const DataFiles data = Files(texts);
  auto reader = RangeReader::Create(data);
  std::string lines;
  for (std::uint32_t file = 0; file < texts.size(); ++file) {
    const std::string& text = texts[file];
    for (std::uint64_t size = 1; size <= text.size() + 2; ++size) {
      std::string all;
      for (std::uint64_t begin = 0; begin <= text.size(); begin += size) {
        std::uint64_t first = 0;
        std::uint64_t expected_first = 0;
        const std::string expected = NaiveLines(text, begin, begin + size, &expected_first);
        ASSERT_TRUE(reader->Read({file, begin, begin + size}, &lines, &first).ok());
        ASSERT_EQ(lines, expected) << "file " << file << " from " << begin << " size " << size;
        if (!lines.empty()) {
          ASSERT_EQ(first, expected_first);
        }
        all += lines;
      }
      ASSERT_EQ(all, text);
    }
  }
}

TEST_P(Stored, RangesInAnyOrder) {
  std::mt19937_64 random(7);
  std::string text;
  for (int line = 0; line < 4000; ++line) {
    text +=
        std::string(random() % (line % 500 == 0 ? 40000 : 30), static_cast<char>('a' + line % 26));
    text += '\n';
  }
  const DataFiles data = Files({text});
  auto reader = RangeReader::Create(data);
  std::string lines = "left over from an earlier use";
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t begin = random() % (text.size() + 10);
    const std::uint64_t end = i % 10 == 0 ? kNoEnd : begin + random() % (i % 3 == 0 ? 200000 : 100);
    std::uint64_t first = 0;
    std::uint64_t expected_first = 0;
    const std::string expected = NaiveLines(text, begin, end, &expected_first);
    ASSERT_TRUE(reader->Read({0, begin, end}, &lines, &first).ok());
    ASSERT_EQ(lines, expected) << begin << " to " << end;
    if (!lines.empty()) {
      ASSERT_EQ(first, expected_first);
    }
  }
}

TEST_P(Stored, StreamHandsOutEveryByteOnceToThreeThreads) {
  std::mt19937_64 random(11);
  std::vector<std::string> texts(4);
  for (int file : {0, 2, 3}) {  // the second file is empty
    for (int line = 0; line < 3000; ++line) {
      texts[file] += std::to_string(random() >> (random() % 60)) + "\n";
    }
  }
  texts[3] += std::string(50000, 'x');  // no newline at the end
  const DataFiles data = Files(texts);
  for (const std::uint64_t block_bytes : {100, 4096, 1 << 20}) {
    auto stream = BlockStream::Create(data, block_bytes);
    std::mutex mutex;
    std::map<std::uint64_t, BlockStream::Block> blocks;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        BlockStream::Block block;
        while (true) {
          const auto more = stream->Next(&block);
          ASSERT_TRUE(more.ok()) << more.status();
          if (!*more) return;
          std::lock_guard<std::mutex> lock(mutex);
          ASSERT_TRUE(blocks.emplace(block.sequence, block).second);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::vector<std::string> read(4);
    std::uint64_t sequence = 0;
    std::uint32_t last_file = 0;
    for (const auto& [number, block] : blocks) {
      ASSERT_EQ(number, sequence++);
      ASSERT_GE(block.file, last_file);
      last_file = block.file;
      if (block.text.empty()) continue;
      ASSERT_EQ(block.offset, read[block.file].size());
      read[block.file] += block.text;
    }
    EXPECT_EQ(read, texts);
    EXPECT_EQ(stream->stored_bytes_read(), data.stored_bytes());
    BlockStream::Block block;
    EXPECT_FALSE(*stream->Next(&block));
  }
}

// Cut or changed anywhere, a file reads as an error that names it, or as the right text.
TEST_P(Stored, DamageIsReported) {
  if (std::string(GetParam().name) == "plain") return;  // plain text holds no checksum
  std::string text;
  for (int i = 0; i < 40; ++i) text += std::to_string(i * 7919) + " 1:1\n";
  const std::string packed = GetParam().pack(text);
  const bool has_checksum = std::string(GetParam().name).starts_with("gzip");
  int reported = 0;
  const std::size_t step = 1 + packed.size() / 200;
  int tried = 0;
  for (std::size_t at = 4; at < packed.size(); at += step) {
    for (const bool cut : {true, false}) {
      ++tried;
      std::string damaged = packed;
      if (cut) {
        damaged.resize(at);
      } else {
        damaged[at] = static_cast<char>(damaged[at] ^ 0x5a);
      }
      const std::string path = WriteFile(Unique("damaged"), damaged);
      const auto data = DataFiles::Open({path});
      ASSERT_TRUE(data.ok()) << data.status();
      auto reader = RangeReader::Create(*data);
      std::string lines;
      std::uint64_t first = 0;
      const absl::Status status = reader->Read({0, 0, kNoEnd}, &lines, &first);
      if (status.ok()) {
        // Between members a cut leaves a valid, shorter file.
        if (cut) {
          ASSERT_EQ(lines, text.substr(0, lines.size()));
        }
        if (!cut && has_checksum) {
          ASSERT_EQ(lines, text.substr(0, lines.size()));
        }
        continue;
      }
      ++reported;
      ASSERT_TRUE(absl::IsDataLoss(status)) << status;
      ASSERT_THAT(std::string(status.message()), HasSubstr(path));
      ASSERT_THAT(std::string(status.message()), HasSubstr("decompressed bytes"));
      auto stream = BlockStream::Create(*data, 16);
      BlockStream::Block block;
      absl::StatusOr<bool> more = true;
      while (more.ok() && *more) more = stream->Next(&block);
      ASSERT_TRUE(absl::IsDataLoss(more.status()));
      more = stream->Next(&block);
      ASSERT_TRUE(more.ok() && !*more);
    }
  }
  EXPECT_GT(reported, tried / 2);
}

TEST_P(Stored, HugeLineIsReadAndATooLongOneIsRefused) {
  const std::string huge = "1\n" + std::string(200 << 10, 'x') + "\n0\n";
  const DataFiles data = Files({huge});
  auto reader = RangeReader::Create(data);
  std::string lines;
  std::uint64_t first = 0;
  ASSERT_TRUE(reader->Read({0, 1, 100}, &lines, &first).ok());
  EXPECT_EQ(first, 2);
  EXPECT_EQ(lines.size(), (200 << 10) + 1);
  ASSERT_TRUE(reader->Read({0, 100, 200 << 10}, &lines, &first).ok());
  EXPECT_EQ(lines, "");
  ASSERT_TRUE(reader->Read({0, 200 << 10, kNoEnd}, &lines, &first).ok());
  EXPECT_EQ(lines, "0\n");
}

TEST(RangeReaderTest, LineAbove64MiBIsRefused) {
  const std::string line = "1\n" + std::string((64 << 20) + 100000, 'x');
  for (const std::string& packed : {line, Zstd(line)}) {
    const std::string path = WriteFile(Unique("too_long"), packed);
    const auto data = DataFiles::Open({path});
    ASSERT_TRUE(data.ok());
    auto reader = RangeReader::Create(*data);
    std::string lines;
    std::uint64_t first = 0;
    const absl::Status status = reader->Read({0, 0, 1 << 20}, &lines, &first);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("offset 2 "));
    ::unlink(path.c_str());
  }
}

TEST(RangeReaderTest, UnknownFileIsAnError) {
  auto reader = RangeReader::Create(DataFiles());
  std::string lines;
  std::uint64_t first = 0;
  EXPECT_FALSE(reader->Read({0, 0, 1}, &lines, &first).ok());
}

}  // namespace
}  // namespace ps
