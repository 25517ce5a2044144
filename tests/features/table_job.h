// A small table in a temporary file and the job that reads it: what the tests of the extractor
// share.
#pragma once

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "models/features/extractor.h"

namespace ps {

inline std::string WriteTable(const std::string& text) {
  static int count = 0;
  const testing::TestInfo* const test = testing::UnitTest::GetInstance()->current_test_info();
  std::string path = testing::TempDir() + "table_" + test->test_suite_name() + "_" + test->name() +
                     "_" + std::to_string(count++) + ".txt";
  for (char& c : path) {
    if (&c >= path.data() + testing::TempDir().size() && c == '/') c = '_';
  }
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

inline absl::StatusOr<std::unique_ptr<Extractor>> CompileFiles(const JobConfig& config) {
  const absl::StatusOr<DataFiles> files = DataFiles::Open(config.data.train.files);
  EXPECT_TRUE(files.ok()) << files.status();
  if (!files.ok()) return files.status();
  return Extractor::Compile(config, *files);
}

inline absl::StatusOr<std::unique_ptr<Extractor>> CompileText(JobConfig config,
                                                              const std::string& text) {
  const std::string path = WriteTable(text);
  config.data.train.files = {path};
  auto extractor = CompileFiles(config);
  std::remove(path.c_str());
  return extractor;
}

// Parses from an exact heap copy, so that a sanitizer sees a read beyond the text.
inline RowBlock ParseExact(const RowParser& parser, const std::string& text,
                           std::uint64_t offset = 0) {
  const std::vector<char> exact(text.begin(), text.end());
  RowBlock block;
  parser.Parse({exact.data(), exact.size()}, {0, offset}, &block);
  EXPECT_EQ(block.row_begin.size(), block.rows() + 1);
  EXPECT_EQ(block.row_begin.back(), block.features());
  EXPECT_EQ(block.row_offset.size(), block.rows());
  EXPECT_TRUE(block.value.empty() || block.value.size() == block.features());
  EXPECT_TRUE(block.weight.empty() || block.weight.size() == block.rows());
  EXPECT_EQ(block.bad.size(), std::min<std::uint64_t>(block.bad_rows, RowBlock::kMaxQuoted));
  return block;
}

inline JobConfig TableJob(DataFormat format, bool header) {
  JobConfig config;
  config.data.format = format;
  config.data.header = header;
  return config;
}

inline FeatureConfig On(const std::string& column, FeatureOp op, int buckets = 32) {
  FeatureConfig feature;
  feature.column.name = column;
  feature.op = op;
  feature.buckets = buckets;
  return feature;
}

inline FeatureConfig CrossOf(const std::vector<std::string>& columns) {
  FeatureConfig feature;
  feature.op = FeatureOp::kCross;
  for (const std::string& column : columns) feature.of.push_back({column, -1});
  return feature;
}

}  // namespace ps
