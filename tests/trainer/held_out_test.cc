// Rows that a model is judged by, read with and without malformed ones, to their end and stopped.
#include "trainer/held_out.h"

#include <atomic>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/data/libsvm_parser.h"

namespace ps {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class HeldOutTest : public testing::Test {
 protected:
  ~HeldOutTest() override { std::remove(path_.c_str()); }

  static std::string Repeat(const std::string& line, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += line;
    return text;
  }
  // Counts the rows that were handed over.
  absl::Status Score(const std::string& text, double max_bad_rows, int threads, std::uint64_t* rows, std::string* malformed,
                     const std::atomic<bool>* stop = nullptr) {
    std::ofstream(path_, std::ios::binary) << text;
    const DataFiles files = *DataFiles::Open({path_});
    *rows = 0;
    return ScoreHeldOut({&files}, LibsvmParser(1), {}, max_bad_rows, threads,
                        [&](absl::Span<const float>, const RowBlock& block) { *rows += block.rows(); }, malformed, stop);
  }

  const std::string path_ = testing::TempDir() + testing::UnitTest::GetInstance()->current_test_info()->name() + ".svm";
};

TEST_F(HeldOutTest, AFewMalformedRowsAreToldAtTheEnd) {
  const std::string text = Repeat("1 1:1\n0 2:1\n", 200'000) + "what\n" + Repeat("1 1:1\n", 100'000);
  for (const int threads : {1, 3}) {
    std::uint64_t rows = 0;
    std::string malformed;
    ASSERT_TRUE(Score(text, 0.001, threads, &rows, &malformed).ok());
    EXPECT_EQ(rows, 500'000u);
    EXPECT_THAT(malformed, HasSubstr(".svm:400001: "));
  }
}

TEST_F(HeldOutTest, TooManyMalformedRowsEndItWhereTheyAreBeyondChance) {
  // 5 MiB of rows behind a bad front, and the same message by any number of threads.
  const std::string text = Repeat("1 1:1\n", 1000) + Repeat("what is this\n", 1000) + Repeat("1 1:1\n", 1'000'000);
  absl::Status first;
  for (const int threads : {1, 2, 4}) {
    std::uint64_t rows = 0;
    std::string malformed;
    const absl::Status status = Score(text, 0.001, threads, &rows, &malformed);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("rows so far are malformed"), HasSubstr(".svm:1001: ")));
    EXPECT_EQ(rows, 0u) << "of the first block";
    if (threads == 1) first = status;
    EXPECT_EQ(status, first);
  }
}

TEST_F(HeldOutTest, AStopBeginsNoFurtherBlock) {
  const std::atomic<bool> stop = true;
  for (const int threads : {1, 3}) {
    std::uint64_t rows = 0;
    EXPECT_TRUE(absl::IsCancelled(Score(Repeat("1 1:1\n", 100'000), 0, threads, &rows, nullptr, &stop)));
    EXPECT_EQ(rows, 0u);
  }
}

}  // namespace
}  // namespace ps
