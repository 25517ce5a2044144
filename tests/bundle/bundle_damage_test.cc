// Every byte of a bundle counts: whatever is flipped, cut off or added is refused by name, and
// never read past.
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "gmock/gmock.h"
#include "models/bundle/bundle.h"
#include "models/bundle/manifest.h"
#include "models/bundle/weights_format.h"
#include "ps/base/crc32c.h"
#include "tests/bundle/bundle_builder.h"
#include "tests/bundle/scratch_directory.h"

namespace ps {
namespace {

using ::testing::HasSubstr;

std::string Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void Write(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

class BundleDamage : public ::testing::Test {
 protected:
  void SetUp() override { WriteBundle(dir_, DrawWeights(37, 1)); }

  void ExpectRefused(const std::string& path) {
    const absl::Status status = Bundle::Open(dir_).status();
    ASSERT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  }

  const ScratchDirectory scratch_;
  const std::string dir_ = scratch_ / "model";
};

TEST_F(BundleDamage, EveryFlippedByteIsRefused) {
  for (const char* name : {"weights.bin", "manifest.json", "extractor.pb", "job.yaml"}) {
    const std::string path = dir_ + "/" + name;
    const std::string whole = Read(path);
    ASSERT_FALSE(whole.empty());
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (const int flip : {0x01, 0xff}) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ flip);
        Write(path, damaged);
        ExpectRefused(path);
        if (HasFatalFailure()) FAIL() << name << " byte " << at << " flipped by " << flip;
      }
    }
    Write(path, whole);
    ASSERT_TRUE(Bundle::Open(dir_).ok());
  }
}

TEST_F(BundleDamage, EveryTruncationAndAdditionIsRefused) {
  for (const char* name : {"weights.bin", "manifest.json", "extractor.pb", "job.yaml"}) {
    const std::string path = dir_ + "/" + name;
    const std::string whole = Read(path);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      Write(path, whole.substr(0, size));
      ExpectRefused(path);
      if (HasFatalFailure()) FAIL() << name << " cut to " << size;
    }
    for (const char* tail : {"x", "\n"}) {
      Write(path, whole + tail);
      ExpectRefused(path);
    }
    std::filesystem::remove(path);
    if (std::string(name) == "manifest.json") {
      EXPECT_TRUE(absl::IsNotFound(Bundle::Open(dir_).status()));
    } else {
      ExpectRefused(path);
    }
    Write(path, whole);
  }
}

TEST_F(BundleDamage, FilesOfAnotherBundleAreRefused) {
  const std::string other = scratch_ / "other";
  WriteBundle(other, DrawWeights(37, 2));
  Write(dir_ + "/weights.bin", Read(other + "/weights.bin"));
  ExpectRefused(dir_ + "/weights.bin");
}

// A forger who computes checksums gets no further than the structure: no offset or count is
// trusted.
class ForgedWeights : public BundleDamage {
 protected:
  using Forge = std::function<void(WeightsHeader* header, std::string* file)>;

  // Recomputes every checksum after `forge`, and the manifest's as well.
  void ExpectForgeryRefused(const Forge& forge) {
    const std::string weights = Read(dir_ + "/weights.bin"),
                      manifest = Read(dir_ + "/manifest.json");
    std::string file = weights;
    WeightsHeader header;
    std::memcpy(&header, file.data(), sizeof(header));
    const std::uint32_t before = header.header_crc32c;
    forge(&header, &file);
    for (WeightsSection* section : {&header.keys, &header.weights, &header.index}) {
      if (section->offset < file.size()) {
        section->crc32c = Crc32c(std::string_view(file).substr(section->offset, section->bytes));
      }
    }
    header.header_crc32c = Crc32c({reinterpret_cast<const char*>(&header), sizeof(header) - 4});
    std::memcpy(file.data(), &header, sizeof(header));
    Write(dir_ + "/weights.bin", file);
    std::string forged = manifest;
    const auto hex = [](std::uint32_t value) {
      char text[9];
      std::snprintf(text, sizeof(text), "%08x", value);
      return std::string(text);
    };
    const std::size_t at = forged.find(hex(before));
    ASSERT_NE(at, std::string::npos);
    forged.replace(at, 8, hex(header.header_crc32c));
    const std::size_t tail = forged.rfind("  \"crc32c\"");
    forged = forged.substr(0, tail);
    forged += "  \"crc32c\": \"" + hex(Crc32c(forged)) + "\"\n}\n";
    Write(dir_ + "/manifest.json", forged);
    ExpectRefused(dir_ + "/weights.bin: offset ");
    Write(dir_ + "/weights.bin", weights);
    Write(dir_ + "/manifest.json", manifest);
  }
};

template <typename T>
void Put(std::string* file, std::uint64_t offset, T value) {
  std::memcpy(file->data() + offset, &value, sizeof(value));
}

TEST_F(ForgedWeights, Structure) {
  const std::vector<std::pair<const char*, Forge>> forgeries = {
      {"count", [](WeightsHeader* h, std::string*) { h->count = 38; }},
      {"huge count", [](WeightsHeader* h, std::string*) { h->count = ~std::uint64_t{0}; }},
      {"index bits", [](WeightsHeader* h, std::string*) { h->index_bits = 63; }},
      {"overlap", [](WeightsHeader* h, std::string*) { h->weights.offset = h->keys.offset; }},
      {"outside", [](WeightsHeader* h, std::string*) { h->index.offset = 1u << 30; }},
      {"bytes", [](WeightsHeader* h, std::string*) { h->keys.bytes -= 8; }},
      {"file size", [](WeightsHeader* h, std::string*) { h->file_bytes += 8; }},
      {"reserved", [](WeightsHeader* h, std::string*) { h->zero[3] = 1; }},
      {"section reserved", [](WeightsHeader* h, std::string*) { h->keys.zero = 1; }},
      {"key 0", [](WeightsHeader* h, std::string* f) { Put(f, h->keys.offset, Key{0}); }},
      {"order", [](WeightsHeader* h, std::string* f) { Put(f, h->keys.offset + 8, Key{1}); }},
      {"infinite weight",
       [](WeightsHeader* h, std::string* f) { Put(f, h->weights.offset, 0x7f800000); }},
      {"index start",
       [](WeightsHeader* h, std::string* f) { Put(f, h->index.offset, std::uint64_t{1}); }},
      {"index beyond",
       [](WeightsHeader* h, std::string* f) { Put(f, h->index.offset + 8, ~std::uint64_t{0}); }},
      {"index end",
       [](WeightsHeader* h, std::string* f) {
         Put(f, h->index.offset + h->index.bytes - 8, std::uint64_t{36});
       }},
  };
  for (const auto& [name, forge] : forgeries) {
    SCOPED_TRACE(name);
    ExpectForgeryRefused(forge);
  }
  EXPECT_TRUE(Bundle::Open(dir_).ok());
}

TEST(ForgedManifest, NamesTypesAndMembers) {
  Manifest manifest;
  manifest.info = SomeInfo();
  manifest.files["weights.bin"] = {192, 7};
  const std::string good = WriteManifest(manifest);
  ASSERT_TRUE(ParseManifest("m", good).ok());
  const auto forged = [&good](const std::string& from, const std::string& to) {
    std::string text = good.substr(0, good.rfind("  \"crc32c\""));
    EXPECT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
    char tail[64];
    std::snprintf(tail, sizeof(tail), "  \"crc32c\": \"%08x\"\n}\n", Crc32c(text));
    return ParseManifest("m", text + tail).status();
  };
  EXPECT_TRUE(forged("\"bias\": -1.25", "\"bias\": -1.25, \"later\": [1]").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(forged("\"version\": 1", "\"version\": 2")));
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"weights.bin", "../weights.bin"},
           {"\"bias\": -1.25", "\"bias\": \"-1.25\""},
           {"\"bias\"", "\"b\""},
           {"\"complete\": false", "\"complete\": 0"},
           {"\"bytes\": 192", "\"bytes\": -192"},
           {"\"bytes\": 192", "\"bytes\": 1.5"},
           {"\"00000007\"", "\"0000000g\""},
           {"\"00000007\"", "\"7\""},
           {"{\"bytes\": 192, \"crc32c\": \"00000007\"}", "7"},
           {"hyperplane-bundle", "hyperplane"},
           {"\"files\": {", "\"files\": [{"},
           {"{\n  \"format\"", "\"format\""}}) {
    EXPECT_TRUE(absl::IsDataLoss(forged(from, to))) << to << forged(from, to);
  }
}

TEST_F(ForgedWeights, ALaterVersionIsNamed) {
  std::string file = Read(dir_ + "/weights.bin");
  Put(&file, 8, std::uint32_t{2});
  Put(&file, 124, Crc32c(std::string_view(file).substr(0, 124)));
  Write(dir_ + "/weights.bin", file);
  const absl::Status status = Bundle::Open(dir_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("version 2"));
}

}  // namespace
}  // namespace ps
