#include "models/bundle/bundle.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "models/bundle/weights_format.h"
#include "models/features/extractor_digest.h"
#include "tests/bundle/bundle_builder.h"
#include "tests/bundle/program.h"
#include "tests/bundle/scratch_directory.h"

namespace ps {
namespace {

using ::testing::HasSubstr;

class BundleOfSize : public ::testing::TestWithParam<int> {};

TEST_P(BundleOfSize, ReadsBackWhatWasWritten) {
  const ScratchDirectory scratch;
  const std::string dir = scratch / "model";
  const std::map<Key, float> expected = DrawWeights(GetParam(), 1);
  WriteBundle(dir, expected);
  const auto bundle = Bundle::Open(dir);
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  const BundleInfo& info = (*bundle)->info();
  const BundleInfo given = SomeInfo();
  EXPECT_EQ(info.model_type, "lr");
  EXPECT_EQ(info.job_name, given.job_name);
  EXPECT_FALSE(info.complete);
  EXPECT_EQ(info.rows_learnt, given.rows_learnt);
  EXPECT_EQ(info.features, expected.size());
  EXPECT_EQ(info.bias, given.bias);
  EXPECT_EQ(info.margin_offset, given.margin_offset);
  EXPECT_EQ(info.optimizer, given.optimizer);
  EXPECT_EQ(info.extractor_digest, ExtractorDigest(std::string("plan\0of bytes", 13)));

  ASSERT_EQ((*bundle)->keys().size(), expected.size());
  std::size_t i = 0;
  for (const auto& [key, weight] : expected) {
    ASSERT_EQ((*bundle)->keys()[i], key);
    ASSERT_EQ((*bundle)->weights()[i], weight);
    ++i;
  }
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>((*bundle)->keys().data()) % kSectionAlignment, 0);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>((*bundle)->weights().data()) % kSectionAlignment, 0);
  EXPECT_EQ(*(*bundle)->ReadFile("job.yaml"), "job: x\n");
  EXPECT_TRUE(absl::IsNotFound((*bundle)->ReadFile("metrics.json").status()));
  EXPECT_TRUE(absl::IsNotFound((*bundle)->ReadFile("../model/job.yaml").status()));
}

TEST_P(BundleOfSize, LookupAgreesWithAMap) {
  const ScratchDirectory scratch;
  const std::map<Key, float> expected = DrawWeights(GetParam(), 2);
  WriteBundle(scratch / "model", expected);
  const auto bundle = Bundle::Open(scratch / "model");
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  std::vector<Key> keys = {kEmptyKey, kBiasKey, 1, ~Key{0}};
  std::mt19937_64 random(3);
  for (const auto& [key, weight] : expected) {
    keys.insert(keys.end(), {key, key - 1, key + 1, random()});
  }
  std::shuffle(keys.begin(), keys.end(), random);
  for (const std::size_t batch : {keys.size(), std::size_t{1}, std::size_t{33}}) {
    for (std::size_t first = 0; first < keys.size(); first += batch) {
      const auto part = absl::MakeConstSpan(keys).subspan(first, batch);
      std::vector<float> found(part.size(), 99);
      (*bundle)->Lookup(part, absl::MakeSpan(found));
      for (std::size_t i = 0; i < part.size(); ++i) {
        const auto it = expected.find(part[i]);
        const float weight = part[i] == kBiasKey    ? -1.25f
                             : it == expected.end() ? 0.0f
                                                    : it->second;
        ASSERT_EQ(found[i], weight) << std::hex << part[i];
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, BundleOfSize, ::testing::Values(0, 1, 2, 16, 17, 33, 1000, 20000));

// Nothing but uniform keys is fast; anything is correct.
TEST(BundleLookup, KeysThatCrowdOneSlot) {
  const ScratchDirectory scratch;
  std::map<Key, float> expected;
  for (Key key = 1; key <= 5000; ++key) expected[key * 3] = static_cast<float>(key);
  for (Key key = 1; key <= 100; ++key) expected[~Key{0} - key * 2] = -static_cast<float>(key);
  WriteBundle(scratch / "model", expected);
  const auto bundle = Bundle::Open(scratch / "model");
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  std::vector<Key> keys;
  for (Key key = 0; key <= 16000; ++key) keys.insert(keys.end(), {key, ~key});
  std::vector<float> found(keys.size());
  (*bundle)->Lookup(keys, absl::MakeSpan(found));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto it = expected.find(keys[i]);
    ASSERT_EQ(found[i], it == expected.end() ? 0.0f : it->second) << keys[i];
  }
}

TEST(WeightsFormat, IndexBitsKeepSlotsSmall) {
  EXPECT_EQ(IndexBits(0), 0);
  EXPECT_EQ(IndexBits(16), 0);
  EXPECT_EQ(IndexBits(32), 1);
  for (const std::uint64_t count : {1000u, 1000000u, 1000000000u}) {
    EXPECT_LE(count >> IndexBits(count), kKeysPerIndexSlot);
    EXPECT_GE(count >> IndexBits(count), kKeysPerIndexSlot / 2);
  }
  EXPECT_EQ(IndexBits(~std::uint64_t{0}), kMaxIndexBits);
}

TEST(BundleWriter, ZeroWeightsAreLeftOut) {
  const ScratchDirectory scratch;
  auto writer = BundleWriter::Create(scratch / "model");
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->AppendWeights({5, 6, 7}, {1.0f, 0.0f, -0.0f}).ok());
  ASSERT_TRUE((*writer)->Finish({}).ok());
  const auto bundle = Bundle::Open(scratch / "model");
  ASSERT_TRUE(bundle.ok());
  EXPECT_THAT((*bundle)->keys(), ::testing::ElementsAre(5));
  EXPECT_EQ((*bundle)->info().features, 1);
}

TEST(BundleWriter, RefusesWhatNoReaderWouldAccept) {
  const ScratchDirectory scratch;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  struct Case {
    std::vector<Key> keys;
    std::vector<float> weights;
    const char* what;
  };
  for (const Case& bad : {Case{{5, 5}, {1, 1}, "ascend"}, Case{{5, 4}, {1, 1}, "ascend"},
                          Case{{0}, {1}, "ascend"}, Case{{kBiasKey}, {1}, "bias"},
                          Case{{5}, {nan}, "not finite"}, Case{{5, 6}, {1}, "2 keys"}}) {
    auto writer = BundleWriter::Create(scratch / "model");
    ASSERT_TRUE(writer.ok()) << writer.status();
    const absl::Status status = (*writer)->AppendWeights(bad.keys, bad.weights);
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.what));
  }
  auto writer = BundleWriter::Create(scratch / "model");
  ASSERT_TRUE((*writer)->AppendWeights({7}, {1}).ok());
  EXPECT_FALSE((*writer)->AppendWeights({7}, {1}).ok()) << "order holds over calls";
}

TEST(BundleWriter, RefusesFileNamesThatLeaveTheDirectoryOrClash) {
  const ScratchDirectory scratch;
  auto writer = BundleWriter::Create(scratch / "model");
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->AddFile("metrics.json", "{}").ok());
  for (const char* name : {"", ".", "..", "a/b", "../x", ".hidden", "manifest.json", "weights.bin",
                           "metrics.json", "a b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument((*writer)->AddFile(name, "x"))) << name;
  }
}

TEST(BundleWriter, InfoThatCannotBeStoredLeavesNoBundle) {
  const ScratchDirectory scratch;
  BundleInfo not_utf8;
  not_utf8.job_name = "\xff\xfe";
  BundleInfo diverged;
  diverged.bias = std::numeric_limits<double>::infinity();
  for (const BundleInfo& info : {not_utf8, diverged}) {
    {
      auto writer = BundleWriter::Create(scratch / "model");
      ASSERT_TRUE(writer.ok()) << writer.status();
      EXPECT_TRUE(absl::IsInvalidArgument((*writer)->Finish(info)));
    }
    EXPECT_FALSE(std::filesystem::exists(scratch / "model"));
    EXPECT_FALSE(std::filesystem::exists(scratch / "model.writing"));
  }
}

TEST(Bundle, EqualContentGivesEqualBytes) {
  const ScratchDirectory scratch;
  const std::map<Key, float> weights = DrawWeights(3000, 4);
  WriteBundle(scratch / "a", weights);
  WriteBundle(scratch / "b", weights);
  for (const char* name : {"manifest.json", "weights.bin", "job.yaml"}) {
    const std::string command =
        "cmp '" + (scratch / "a") + "/" + name + "' '" + (scratch / "b") + "/" + name + "'";
    EXPECT_EQ(std::system(command.c_str()), 0) << name;
  }
}

// The code block of a Markdown text that begins with `first_line`.
std::string CodeBlock(const std::string& text, const std::string& first_line) {
  const std::size_t begin = text.find("\n" + first_line) + 1;
  return text.substr(begin, text.find("```", begin) - begin);
}

// The bytes of a `hexdump -C`: repeated lines are a star, the last line is the length.
std::string BytesOfDump(const std::string& dump) {
  std::string bytes;
  bool repeat = false;
  for (const absl::string_view line : absl::StrSplit(dump, '\n', absl::SkipEmpty())) {
    if (line == "*") {
      repeat = true;
      continue;
    }
    const std::size_t offset = std::stoul(std::string(line.substr(0, 8)), nullptr, 16);
    while (repeat && bytes.size() < offset) bytes += bytes.substr(bytes.size() - 16);
    repeat = false;
    if (line.size() == 8) break;
    for (const absl::string_view byte :
         absl::StrSplit(line.substr(8, line.find('|') - 8), ' ', absl::SkipEmpty())) {
      bytes += static_cast<char>(std::stoi(std::string(byte), nullptr, 16));
    }
  }
  return bytes;
}

TEST(Bundle, TheWorkedExampleOfTheFormatDocument) {
  const char* source = std::getenv("PS_SOURCE_DIR");
  const std::string path = std::string(source == nullptr ? "." : source) + "/docs/bundle_format.md";
  const std::string document = ReadText(path);
  ASSERT_NE(document, "") << path;
  const ScratchDirectory scratch;
  auto writer = BundleWriter::Create(scratch / "m");
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)
                  ->AppendWeights({0x1111111111111111, 0x8000000000000001, 0xf0f0f0f0f0f0f0f0},
                                  {0.5f, -1.25f, 2.0f})
                  .ok());
  ASSERT_TRUE((*writer)->AddFile("job.yaml", "job: tiny\n").ok());
  BundleInfo info;
  info.job_name = "tiny";
  info.rows_learnt = 42;
  info.bias = -0.5;
  info.optimizer = "ftrl alpha=0.1 beta=0.5 newton=0.2 l1=0 l2=0";
  ASSERT_TRUE((*writer)->Finish(info).ok());
  EXPECT_EQ(ReadText(scratch / "m/manifest.json"),
            CodeBlock(document, "{\n  \"format\": \"hyperplane-bundle\""));
  EXPECT_TRUE(ReadText(scratch / "m/weights.bin") ==
              BytesOfDump(CodeBlock(document, "00000000  ")));
}

TEST(Bundle, NotABundleIsNotFound) {
  const ScratchDirectory scratch;
  EXPECT_TRUE(absl::IsNotFound(Bundle::Open(scratch / "absent").status()));
  std::filesystem::create_directory(scratch / "empty");
  const absl::Status empty = Bundle::Open(scratch / "empty").status();
  EXPECT_TRUE(absl::IsNotFound(empty));
  EXPECT_THAT(std::string(empty.message()), HasSubstr("no manifest.json"));
  for (const char* path : {"", "/", ".", "..", "a/.."}) {
    EXPECT_FALSE(Bundle::Open(path).ok()) << path;
  }
}

}  // namespace
}  // namespace ps
