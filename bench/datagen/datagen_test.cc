#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "bench/datagen/criteo_truth.h"
#include "bench/datagen/row_stream.h"
#include "bench/datagen/row_text.h"

namespace ps {
namespace {

using ::testing::ElementsAreArray;

std::string Generate(const CriteoTruth& truth, RowFormat format, const RowStreamOptions& options,
                     RowStreamResult* result = nullptr, int hash_bits = 24) {
  char path[] = "/tmp/datagen_test.XXXXXX";
  const int file = mkstemp(path);
  EXPECT_GE(file, 0);
  const RowWriter writer(format, hash_bits);
  const auto streamed = StreamRows(truth, writer, options, file);
  EXPECT_TRUE(streamed.ok()) << streamed.status();
  std::string text(streamed->bytes + 1, '\0');
  const ssize_t bytes = pread(file, text.data(), text.size(), 0);
  EXPECT_EQ(bytes, static_cast<ssize_t>(streamed->bytes));
  text.resize(bytes > 0 ? bytes : 0);
  close(file);
  unlink(path);
  if (result != nullptr) *result = *streamed;
  return text;
}

std::vector<std::string> Lines(const std::string& text) {
  EXPECT_TRUE(text.empty() || text.back() == '\n');
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  lines.pop_back();
  return lines;
}

TEST(Datagen, SameBytesForAnyNumberOfThreads) {
  const CriteoTruth truth({.seed = 5});
  for (RowFormat format :
       {RowFormat::kLibsvm, RowFormat::kVw, RowFormat::kCriteo, RowFormat::kCsv}) {
    const std::string one = Generate(truth, format, {.rows = 20'000, .threads = 1});
    EXPECT_EQ(one, Generate(truth, format, {.rows = 20'000, .threads = 2}));
    EXPECT_EQ(one, Generate(truth, format, {.rows = 20'000, .threads = 7}));
  }
}

TEST(Datagen, SeedsDiffer) {
  EXPECT_NE(Generate(CriteoTruth({.seed = 1}), RowFormat::kCriteo, {.rows = 10}),
            Generate(CriteoTruth({.seed = 2}), RowFormat::kCriteo, {.rows = 10}));
}

TEST(Datagen, RangesConcatenate) {
  const CriteoTruth truth({});
  const std::string whole = Generate(truth, RowFormat::kLibsvm, {.rows = 10'000, .threads = 2});
  const std::string head = Generate(truth, RowFormat::kLibsvm, {.rows = 4'321, .threads = 2});
  const std::string tail =
      Generate(truth, RowFormat::kLibsvm, {.first_row = 4'321, .rows = 5'679, .threads = 2});
  EXPECT_EQ(whole, head + tail);
}

TEST(Datagen, WritesAfterWhatAFileHolds) {
  char path[] = "/tmp/datagen_test.XXXXXX";
  const int file = mkstemp(path);
  ASSERT_EQ(write(file, "before\n", 7), 7);
  const auto result =
      StreamRows(CriteoTruth({}), RowWriter(RowFormat::kVw, 24), {.rows = 3, .threads = 2}, file);
  ASSERT_TRUE(result.ok());
  char text[7];
  EXPECT_EQ(pread(file, text, 7, 0), 7);
  EXPECT_EQ(std::string(text, 7), "before\n");
  EXPECT_EQ(lseek(file, 0, SEEK_END), static_cast<off_t>(7 + result->bytes));
  close(file);
  unlink(path);
}

TEST(Datagen, AFailedWriteIsAnErrorNotAHang) {
  const int full = open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  const auto result = StreamRows(CriteoTruth({}), RowWriter(RowFormat::kCsv, 24),
                                 {.rows = 100'000, .threads = 3}, full);
  close(full);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
}

TEST(Datagen, LabelRateAndTruthAreAsDeclared) {
  for (std::uint64_t seed : {1, 2, 3}) {
    for (double rate : {0.25, 0.03}) {
      const CriteoTruth truth({.seed = seed, .positive_rate = rate});
      RowStreamResult result;
      Generate(truth, RowFormat::kVw, {.rows = 40'000, .threads = 2, .score_truth = true}, &result);
      EXPECT_NEAR(result.positives / 40'000.0, rate, 0.05 * std::sqrt(rate)) << seed;
      EXPECT_EQ(result.truth.rows, 40'000);
      EXPECT_EQ(result.truth.positives, result.positives);
      // The labels follow the probabilities: calibrated, and far better than a constant.
      EXPECT_NEAR(result.truth.calibration, 1, 0.07) << seed;
      EXPECT_GT(result.truth.auc, 0.76) << seed;
      EXPECT_LT(result.truth.auc, 0.86) << seed;
      EXPECT_LT(result.truth.normalized_entropy, 0.9) << seed;
    }
  }
}

TEST(Datagen, HashedIdsAreSortedDistinctAndInRange) {
  const CriteoTruth truth({});
  CriteoRow row;
  for (int hash_bits : {8, 16, 24, 25, 40}) {
    for (int i = 0; i < 500; ++i) {
      truth.Generate(i, &row);
      std::set<std::uint64_t> expected;
      for (int c = 0; c < kCountColumns; ++c) {
        expected.insert(HashedFeature(c, CountBucket(row.count[c]), hash_bits));
      }
      for (int c = 0; c < kCategoryColumns; ++c) {
        expected.insert(HashedFeature(kCountColumns + c, row.category[c], hash_bits));
      }
      std::uint64_t ids[kCriteoColumns];
      const int count = HashedFeatures(row, hash_bits, ids);
      EXPECT_THAT(std::vector<std::uint64_t>(ids, ids + count), ElementsAreArray(expected));
      EXPECT_GE(*expected.begin(), 1u);
      EXPECT_LE(*expected.rbegin(), std::uint64_t{1} << hash_bits);
    }
  }
}

// Reads each format back with plain string functions and finds the same rows.
TEST(Datagen, FormatsAgree) {
  const CriteoTruth truth({.seed = 9});
  constexpr std::uint64_t kFirst = 1'000'000'000'000, kRows = 3'000;
  const RowStreamOptions options = {.first_row = kFirst, .rows = kRows, .threads = 2};
  for (int hash_bits : {12, 24, 44}) {
    const auto libsvm = Lines(Generate(truth, RowFormat::kLibsvm, options, nullptr, hash_bits));
    const auto vw = Lines(Generate(truth, RowFormat::kVw, options, nullptr, hash_bits));
    ASSERT_EQ(libsvm.size(), kRows);
    ASSERT_EQ(vw.size(), kRows);
    CriteoRow row;
    for (std::uint64_t i = 0; i < kRows; ++i) {
      truth.Generate(kFirst + i, &row);
      std::uint64_t ids[kCriteoColumns];
      const int count = HashedFeatures(row, hash_bits, ids);
      std::string svm_line = std::to_string(row.label), vw_line = row.label ? "1 |" : "-1 |";
      for (int f = 0; f < count; ++f) {
        svm_line += " " + std::to_string(ids[f]) + ":1";
        vw_line += " " + std::to_string(ids[f]);
      }
      ASSERT_EQ(libsvm[i], svm_line);
      ASSERT_EQ(vw[i], vw_line);
    }
  }
  const auto criteo = Lines(Generate(truth, RowFormat::kCriteo, options));
  auto csv = Lines(Generate(truth, RowFormat::kCsv, options));
  ASSERT_EQ(csv.size(), kRows + 1);
  EXPECT_EQ(csv[0].substr(0, 12), "label,I1,I2,");
  EXPECT_EQ(std::vector<std::string>(absl::StrSplit(csv[0], ',')).size(), 40u);
  csv.erase(csv.begin());
  ASSERT_EQ(criteo.size(), kRows);
  CriteoRow row;
  for (std::uint64_t i = 0; i < kRows; ++i) {
    truth.Generate(kFirst + i, &row);
    const std::vector<std::string> fields = absl::StrSplit(criteo[i], '\t');
    ASSERT_EQ(fields, std::vector<std::string>(absl::StrSplit(csv[i], ',')));
    ASSERT_EQ(fields.size(), 40u);
    EXPECT_EQ(fields[0], std::to_string(row.label));
    for (int c = 0; c < kCountColumns; ++c) {
      EXPECT_EQ(fields[1 + c], row.count[c] < 0 ? "" : std::to_string(row.count[c]));
    }
    for (int c = 0; c < kCategoryColumns; ++c) {
      char hex[9];
      std::snprintf(hex, sizeof hex, "%08x", row.category[c]);
      EXPECT_EQ(fields[14 + c], row.category_missing[c] ? "" : hex);
    }
  }
}

TEST(Datagen, RanksFollowTheDeclaredZipfLaw) {
  // Column C3 has three million values. With density x^-s on [1, N + 1), rank 1 has this share:
  for (double zipf : {0.8, 1.0, 1.05, 1.4}) {
    const CriteoTruth truth({.zipf = zipf});
    const double n = 3'000'001;
    const double share = zipf == 1.0 ? std::log(2) / std::log(n)
                                     : (std::pow(2, 1 - zipf) - 1) / (std::pow(n, 1 - zipf) - 1);
    std::map<std::uint32_t, int> counts;
    CriteoRow row;
    constexpr int kRows = 50'000;
    for (int i = 0; i < kRows; ++i) {
      truth.Generate(i, &row);
      ++counts[row.category[2]];
    }
    int top = 0;
    for (const auto& [value, count] : counts) top = std::max(top, count);
    EXPECT_NEAR(static_cast<double>(top) / kRows, share, 0.1 * share + 0.001) << zipf;
  }
}

TEST(Datagen, CountBucketsAreMonotonicAndBounded) {
  int previous = -1;
  for (std::int64_t count = 0; count < 2'000'000'000; count += 1 + count / 16) {
    const int bucket = CountBucket(static_cast<std::int32_t>(count));
    EXPECT_GE(bucket, previous);
    EXPECT_LT(bucket, kCountBuckets - 1);
    if (count < 6) {  // small counts are exact
      EXPECT_GT(bucket, previous);
    }
    previous = bucket;
  }
  EXPECT_EQ(CountBucket(kMissingCount), kCountBuckets - 1);
  EXPECT_LT(CountBucket(INT32_MAX), kCountBuckets - 1);
}

}  // namespace
}  // namespace ps
