// PROTOCOL.md is normative, so it is tested: its hex dump byte by byte, its tables against the
// schema.
#include <gtest/gtest.h>

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "ps/wire/frame.h"
#include "ps/wire/key_codec.h"
#include "ps/wire/value_codec.h"

namespace ps {
namespace {

std::string ReadSource(const std::string& name) {
  const char* source = std::getenv("PS_SOURCE_DIR");
  const std::string path = (source == nullptr ? "." : std::string(source)) + "/" + name;
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path << ": run by ctest, or from the root of the repository";
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// "0040  0a 1b  note" between ```hexdump and ```: the bytes, each line's offset checked on the way.
std::string DumpedBytes(const std::string& document) {
  std::string bytes;
  bool inside = false;
  for (const std::string& line : Lines(document)) {
    if (line.rfind("```", 0) == 0) {
      inside = line == "```hexdump";
      continue;
    }
    if (!inside) continue;
    EXPECT_EQ(std::stoul(line.substr(0, 4), nullptr, 16), bytes.size()) << line;
    for (std::size_t at = 6; at + 1 < line.size() && std::isxdigit(line[at]); at += 3) {
      bytes.push_back(static_cast<char>(std::stoul(line.substr(at, 2), nullptr, 16)));
    }
  }
  return bytes;
}

std::string Hex(const std::string& bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    char pair[8];
    std::snprintf(pair, sizeof pair, "%s%02x", i % 16 == 0 ? "\n" : " ",
                  static_cast<unsigned char>(bytes[i]));
    text += pair;
  }
  return text;
}

// The push of PROTOCOL.md's example.
Message ExamplePush() {
  const std::vector<Key> keys = {5, 9, 300, 70000};
  const std::vector<float> gradients = {0.5f, -1.0f, 0.0f, 2.0f};
  Message message;
  message.body.set_request(7);
  message.body.set_epoch(3);
  wire::Push& push = *message.body.mutable_push();
  push.mutable_name()->set_chunk(12);
  push.mutable_name()->set_batch(5);
  *push.mutable_keys() = DescribeKeys(keys);
  message.sections = {EncodeKeys(keys), EncodeValues(wire::F32, gradients)};
  return message;
}

TEST(ProtocolDocument, ExampleIsWhatIsSent) {
  const std::string frame = EncodeFrame(ExamplePush()).value();
  EXPECT_EQ(Hex(DumpedBytes(ReadSource("PROTOCOL.md"))), Hex(frame));
}

TEST(ProtocolDocument, ExampleIsRead) {
  const Message message = DecodeFrame(DumpedBytes(ReadSource("PROTOCOL.md"))).value();
  EXPECT_EQ(message.body.SerializeAsString(), ExamplePush().body.SerializeAsString());
  std::vector<Key> keys;
  ASSERT_TRUE(DecodeKeys(message.sections.at(0), message.body.push().keys().count(), keys).ok());
  EXPECT_EQ(keys, (std::vector<Key>{5, 9, 300, 70000}));
  std::vector<float> gradients(4);
  ASSERT_TRUE(DecodeValues(wire::F32, message.sections.at(1), absl::MakeSpan(gradients)).ok());
  EXPECT_EQ(gradients, (std::vector<float>{0.5f, -1.0f, 0.0f, 2.0f}));
}

// The declarations of a block of the schema ("Error error = 10;" in Body), as "Error" and 10.
struct Declared {
  std::string name;
  std::string number;
};
std::vector<Declared> DeclaredIn(const std::string& schema, const std::string& block) {
  std::vector<Declared> declared;
  bool inside = false;
  for (const std::string& line : Lines(schema)) {
    std::istringstream words(line);
    std::string first, second, third;
    words >> first >> second >> third;
    if (inside && first == "}") return declared;
    if (inside && second == "=") declared.push_back({first, third.substr(0, third.find(';'))});
    if (inside && third == "=") {
      std::string number;
      words >> number;
      declared.push_back({first, number.substr(0, number.find(';'))});
    }
    inside = inside || line.find(block) != std::string::npos;
  }
  return declared;
}

TEST(ProtocolDocument, NamesEveryKindOfMessageAndEveryErrorCode) {
  const std::string document = ReadSource("PROTOCOL.md");
  const std::string schema = ReadSource("ps/wire/message.proto");
  for (const std::string block : {"oneof kind {", "enum Code {", "enum ValueFormat {"}) {
    const std::vector<Declared> all = DeclaredIn(schema, block);
    EXPECT_GE(all.size(), 3) << block;
    for (const Declared& declared : all) {
      const std::string row = "| " + declared.number + " | " + declared.name + " |";
      EXPECT_NE(document.find(row), std::string::npos) << "no row beginning with " << row;
    }
  }
}

}  // namespace
}  // namespace ps
