// The worked example of docs/checkpoint_format.md is what the writer writes.
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ps/base/file.h"
#include "ps/checkpoint/slot_file.h"
#include "tests/checkpoint/memory_storage.h"

namespace ps {
namespace {

std::string HexDump(const std::string& bytes) {
  std::string dump;
  for (std::size_t at = 0; at < bytes.size(); at += 16) {
    std::string hex, text;
    for (std::size_t i = at; i < at + 16 && i < bytes.size(); ++i) {
      const auto byte = static_cast<unsigned char>(bytes[i]);
      absl::StrAppendFormat(&hex, "%s%02x ", i == at + 8 ? " " : "", byte);
      text += byte >= 32 && byte < 127 ? bytes[i] : '.';
    }
    absl::StrAppendFormat(&dump, "%08x  %-50s|%s|\n", at, hex, text);
  }
  return dump;
}

TEST(CheckpointFormatDocument, ExampleIsWhatIsWritten) {
  MemoryStorage storage;
  const SlotFileHeader header = {.checkpoint = 7,
                                 .incarnation = 0xab,
                                 .gen = 1,
                                 .slot_bits = 2,
                                 .optimizer = {Optimizer::kFtrl, 0.125f, 1.0f, 0.5f, 0.0f}};
  auto writer = SlotFileWriter::Create(storage, header);
  ASSERT_TRUE((*writer)->Add(1, {.term = 3, .seq = 42}, "an image").ok());
  ASSERT_TRUE((*writer)->Add(2, {.term = 1, .seq = 5}, "another").ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  const std::string dump = HexDump(storage.objects.begin()->second);
  const char* source = std::getenv("PS_SOURCE_DIR");
  const auto document =
      ReadWholeFile(absl::StrCat(source == nullptr ? "." : source, "/docs/checkpoint_format.md"));
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_NE(document->find("\n" + dump), std::string::npos) << "expected:\n" << dump;
}

}  // namespace
}  // namespace ps
