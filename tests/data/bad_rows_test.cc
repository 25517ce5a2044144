#include "models/data/bad_rows.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/data/libsvm_parser.h"
#include "tests/data/bytes_read.h"
#include "tests/data/compressed_text.h"

namespace ps {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class BadRowsTest : public ::testing::Test {
 protected:
  // Opens a data set of these files, one bad row in each hundred of every file.
  void Open(const std::vector<std::string>& stored) {
    std::vector<std::string> paths;
    for (const std::string& bytes : stored) {
      paths.push_back(WriteFile(
          "bad_rows_" + std::to_string(::getpid()) + "_" + std::to_string(paths.size()), bytes));
    }
    auto opened = DataFiles::Open(paths);
    ASSERT_TRUE(opened.ok()) << opened.status();
    files_ = *std::move(opened);
  }

  void AddAll(BadRows* rows, std::uint64_t block_bytes, int threads) {
    auto stream = BlockStream::Create(files_, block_bytes);
    std::vector<std::thread> workers;
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back([&] {
        BlockStream::Block text;
        RowBlock block;
        while (true) {
          const auto more = stream->Next(&text);
          ASSERT_TRUE(more.ok());
          if (!*more) return;
          block.Clear();
          LibsvmParser(1).Parse(text.text, {text.file, text.offset}, &block);
          rows->Add(block);
        }
      });
    }
    for (std::thread& worker : workers) worker.join();
  }

  DataFiles files_;
};

std::string HundredLinesEach(int hundreds) {
  std::string text;
  for (int line = 1; line <= hundreds * 100; ++line) {
    text += line % 100 == 42 ? "1 5:one" + std::to_string(line) + "\n" : "1 5:1\n";
  }
  return text;
}

TEST_F(BadRowsTest, QuotesTheFirstOnesWithTheirLineNumbers) {
  const std::string text = HundredLinesEach(12);
  for (const std::string& stored : {text, Gzip(text), Zstd(text)}) {
    Open({stored, stored});
    for (const int threads : {1, 3}) {
      BadRows rows(&files_, 0.001);
      AddAll(&rows, 500, threads);
      EXPECT_EQ(rows.rows(), 2 * 1188);
      EXPECT_EQ(rows.bad_rows(), 24);
      const absl::Status status = rows.Check(true);
      ASSERT_TRUE(absl::IsInvalidArgument(status));
      const std::string message(status.message());
      EXPECT_THAT(message, HasSubstr("24 of 2400 rows are malformed (1 %)"));
      for (int hundred = 0; hundred < 10; ++hundred) {
        const std::string line = std::to_string(hundred * 100 + 42);
        EXPECT_THAT(message, HasSubstr(files_.files()[0].path + ":" + line +
                                       ": column 5: expected a number, found 'one" + line +
                                       "': '1 5:one" + line + "'\n"));
      }
      EXPECT_THAT(message, Not(HasSubstr(files_.files()[1].path)));
      EXPECT_THAT(message, HasSubstr("data.max_bad_rows"));
    }
  }
}

RowBlock Counted(std::uint64_t good, std::uint64_t bad) {
  RowBlock block;
  block.label.resize(good);
  block.bad_rows = bad;
  return block;
}

TEST_F(BadRowsTest, TheLimitIsJudgedFromAThousandRowsOn) {
  Open({"1\n"});
  BadRows rows(&files_, 0.01);
  rows.Add(Counted(900, 90));
  EXPECT_TRUE(rows.Check(false).ok());
  EXPECT_FALSE(rows.Check(true).ok());
  rows.Add(Counted(10, 0));
  EXPECT_FALSE(rows.Check(false).ok());
  EXPECT_THAT(std::string(rows.Check(false).message()), HasSubstr("90 of 1000 rows so far"));
  rows.Add(Counted(8000, 0));
  EXPECT_TRUE(rows.Check(false).ok());  // 1 % of 9000 is allowed
  rows.Add(Counted(0, 1));
  EXPECT_FALSE(rows.Check(true).ok());
}

// Two in the first 1,500 rows say nothing of data of which .1 % may be malformed; twenty do.
TEST_F(BadRowsTest, BeforeTheEndOnlyWhatIsBeyondChanceIsTooMany) {
  Open({"1\n"});
  BadRows few(&files_, 0.001);
  few.Add(Counted(1498, 2));
  EXPECT_TRUE(few.Check(false).ok());
  EXPECT_FALSE(few.Check(true).ok());
  few.Add(Counted(0, 18));
  EXPECT_FALSE(few.Check(false).ok());
}

// Rows in any order: at no row are those so far too many. In an order that has the bad ones first they are.
TEST_F(BadRowsTest, DataThatAreAllowedAreReadToTheirEnd) {
  Open({"1\n"});
  constexpr int kRows = 40000, kBad = 40;
  std::vector<int> bad(kRows);
  std::fill_n(bad.begin(), kBad, 1);
  std::mt19937_64 random(1);
  for (int order = 0; order < 50; ++order) {
    BadRows rows(&files_, 0.001);
    for (const int is_bad : bad) {
      rows.Add(Counted(is_bad == 0, is_bad));
      if (order > 0) {
        ASSERT_TRUE(rows.Check(false).ok()) << order << ": " << rows.rows();
      }
    }
    EXPECT_TRUE(rows.Check(true).ok());
    std::shuffle(bad.begin(), bad.end(), random);
  }
  BadRows first(&files_, 0.001);
  first.Add(Counted(1000, kBad));
  EXPECT_FALSE(first.Check(false).ok());
}

TEST_F(BadRowsTest, ZeroAllowsNoneAndOneAllowsAll) {
  Open({"1\n"});
  BadRows none(&files_, 0);
  EXPECT_TRUE(none.Check(true).ok());
  none.Add(Counted(10, 0));
  EXPECT_TRUE(none.Check(true).ok());
  none.Add(Counted(0, 1));
  EXPECT_FALSE(none.Check(false).ok());
  BadRows all(&files_, 1);
  all.Add(Counted(0, 5000));
  EXPECT_TRUE(all.Check(true).ok());
}

TEST_F(BadRowsTest, LineNumbersOfEveryLine) {
  const std::string text = "a\n\nbb\n\n\nc";
  for (const std::string& stored : {text, Gzip(text), Zstd(text)}) {
    Open({stored});
    std::uint64_t line = 1;
    for (std::size_t offset = 0; offset < text.size(); ++offset) {
      if (offset == 0 || text[offset - 1] == '\n') {
        const auto number = LineNumber(files_.files()[0], offset);
        ASSERT_TRUE(number.ok());
        EXPECT_EQ(*number, line++);
      }
    }
  }
}

TEST_F(BadRowsTest, OneReadingNumbersAllRowsOfAFile) {
  if (BytesRead() == 0) GTEST_SKIP() << "the system does not count bytes read";
  std::string text;
  for (int line = 0; line < 400'000; ++line) text += "1 5:1\n";
  const std::size_t good = text.size();
  for (int line = 0; line < 9; ++line) text += "1 5:x\n";
  Open({text, text});
  RowBlock block;
  BadRows rows(&files_, 0);
  for (std::uint32_t file = 0; file < 2; ++file) {
    block.Clear();
    LibsvmParser(1).Parse(std::string_view(text).substr(good), {file, good}, &block);
    rows.Add(block);
  }
  const std::uint64_t before = BytesRead();
  const std::string described = rows.Describe();
  EXPECT_LT(BytesRead() - before, 2 * text.size() + 100'000);
  EXPECT_THAT(described, HasSubstr(files_.files()[0].path + ":400001: column 5"));
  EXPECT_THAT(described, HasSubstr(files_.files()[0].path + ":400009: column 5"));
  EXPECT_THAT(described, HasSubstr(files_.files()[1].path + ":400001: column 5"));
  EXPECT_THAT(described, Not(HasSubstr(files_.files()[1].path + ":400002: column 5")));
}

TEST_F(BadRowsTest, RowsBeforeADamageKeepTheirNumbers) {
  const std::string text = HundredLinesEach(12);
  const std::string stored = Zstd(text) + Zstd(text);
  Open({stored});
  RowBlock block;
  BadRows rows(&files_, 0);
  LibsvmParser(1).Parse(text.substr(0, 600), {0, 0}, &block);
  rows.Add(block);
  block.Clear();
  LibsvmParser(1).Parse("bad\n", {0, text.size() + 50}, &block);
  rows.Add(block);
  // The second frame is gone.
  std::ofstream(files_.files()[0].path, std::ios::binary)
      << stored.substr(0, stored.size() / 2 + 20);
  const std::string described = rows.Describe();
  EXPECT_THAT(described, HasSubstr(":42: column 5"));
  EXPECT_THAT(described, HasSubstr(":(byte " + std::to_string(text.size() + 50) + "): column 1"));
}

TEST_F(BadRowsTest, MessagesArePrintable) {
  const std::string text = "1 \x01\x1b[31m\xff \xe4\xbd\xa0\xe5\xa5\xbd\n";
  Open({text});
  RowBlock block;
  LibsvmParser(1).Parse(text, {0, 0}, &block);
  BadRows rows(&files_, 0);
  rows.Add(block);
  EXPECT_THAT(rows.Describe(), EndsWith("found '\\x01\\x1b[31m\\xff': '1 \\x01\\x1b[31m\\xff "
                                        "\xe4\xbd\xa0\xe5\xa5\xbd'\n"));
}

TEST_F(BadRowsTest, AFileThatIsGoneIsStillQuoted) {
  const std::string text = "1 1:1\nbad\n";
  Open({text});
  RowBlock block;
  LibsvmParser(1).Parse(text, {0, 0}, &block);
  BadRows rows(&files_, 0);
  rows.Add(block);
  ::unlink(files_.files()[0].path.c_str());
  EXPECT_THAT(rows.Describe(), HasSubstr(":(byte 6): column 1: expected a label"));
}

}  // namespace
}  // namespace ps
