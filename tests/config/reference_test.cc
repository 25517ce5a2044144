#include "models/config/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "models/config/idle_keys.h"
#include "models/config/load.h"
#include "models/config/schema.h"
#include "ps/base/file.h"

namespace ps {
namespace {

std::string SourceDirectory() {
  const char* directory = std::getenv("PS_SOURCE_DIR");
  return directory == nullptr ? "." : directory;
}

TEST(ReferenceTest, TheCommittedPageIsTheGeneratedOne) {
  absl::StatusOr<std::string> page = ReadWholeFile(SourceDirectory() + "/docs/job_reference.md");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(*page, JobReference()) << "run: build/bin/ps_config_reference > docs/job_reference.md";
}

TEST(ReferenceTest, NamesEveryKeyOnce) {
  const std::string page = JobReference();
  std::set<std::string> paths;
  for (const SchemaRow& row : JobSchema()) {
    EXPECT_TRUE(paths.insert(row.path).second) << row.path;
    const std::string cell = std::string("\n| `") + row.path + "` |";
    EXPECT_NE(page.find(cell), std::string::npos) << row.path;
    EXPECT_EQ(page.find(cell), page.rfind(cell)) << row.path;
  }
}

TEST(ExamplesTest, EveryExampleIsAValidJob) {
  int examples = 0;
  std::set<DataFormat> formats;
  for (const auto& entry : std::filesystem::directory_iterator(SourceDirectory() + "/examples")) {
    if (entry.path().extension() != ".yaml") continue;
    ++examples;
    absl::StatusOr<JobConfig> config = LoadJobConfig(entry.path(), {});
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->job, entry.path().stem()) << "an example is called what its file is called";
    EXPECT_NE(config->output.dir, JobConfig().output.dir) << entry.path();
    EXPECT_THAT(IdleKeys(*config, config->cluster.servers > 0), testing::IsEmpty()) << entry.path();
    for (const std::string& file : config->data.train.files) {
      EXPECT_EQ(file.rfind("data/", 0), 0u) << entry.path() << ": " << file;
    }
    formats.insert(config->data.format);
  }
  EXPECT_GE(examples, 9);
  EXPECT_EQ(formats.size(), 5u) << "an example for every format";
}

}  // namespace
}  // namespace ps
