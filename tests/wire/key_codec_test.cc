#include "ps/wire/key_codec.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/wire/random_keys.h"

namespace ps {
namespace {

constexpr Key kLargest = std::numeric_limits<Key>::max();

// The format again, as the document says it: bit by bit.
class NaiveReader {
 public:
  explicit NaiveReader(const std::string& section) : section_(section) {}
  std::uint64_t Bits(unsigned width) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < width; ++i, ++bit_) {
      const auto byte = static_cast<unsigned char>(section_.at(bit_ / 8));
      value |= std::uint64_t{(byte >> (bit_ % 8)) & 1u} << i;
    }
    return value;
  }
  void ToWholeByte() { bit_ = (bit_ + 7) / 8 * 8; }
  bool at_end() const { return bit_ == section_.size() * 8; }

 private:
  const std::string& section_;
  std::size_t bit_ = 0;
};

std::vector<Key> NaiveDecode(const std::string& section, std::size_t count) {
  std::vector<Key> keys;
  NaiveReader reader(section);
  if (count > 0) keys.push_back(reader.Bits(64));
  while (keys.size() < count) {
    const auto width = static_cast<unsigned>(reader.Bits(8));
    for (int i = 0; i < 32 && keys.size() < count; ++i) {
      keys.push_back(keys.back() + reader.Bits(width) + 1);
    }
    reader.ToWholeByte();
  }
  EXPECT_TRUE(reader.at_end());
  return keys;
}

std::vector<Key> Decoded(const std::string& section, std::size_t count) {
  // In a block of its own size, so that the address sanitizer sees a read beyond its end.
  const std::vector<char> exact(section.begin(), section.end());
  std::vector<Key> keys = {1, 2, 3};
  const absl::Status status = DecodeKeys({exact.data(), exact.size()}, count, keys);
  EXPECT_TRUE(status.ok()) << status;
  return keys;
}

void ExpectRefused(const std::string& section, std::size_t count, const std::string& why) {
  const std::vector<char> exact(section.begin(), section.end());
  std::vector<Key> keys = {1, 2, 3};
  const absl::Status status = DecodeKeys({exact.data(), exact.size()}, count, keys);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_NE(std::string(status.message()).find(why), std::string::npos) << status;
  EXPECT_TRUE(keys.empty());
}

std::string Word(std::uint64_t value) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &value, 8);
  return bytes;
}

TEST(KeyCodec, RoundTripsOfEveryWidthAndCount) {
  std::mt19937_64 random(1);
  for (int bits = 1; bits <= 64; ++bits) {
    for (const std::size_t count : {1u, 2u, 3u, 31u, 32u, 33u, 34u, 64u, 65u, 97u, 1000u}) {
      const std::vector<Key> keys = RandomKeys(random, count, bits);
      const std::string section = EncodeKeys(keys);
      EXPECT_EQ(Decoded(section, keys.size()), keys) << bits << " bits, " << keys.size();
      EXPECT_EQ(NaiveDecode(section, keys.size()), keys) << bits << " bits, " << keys.size();
    }
  }
}

TEST(KeyCodec, RoundTripsOfExtremes) {
  for (const std::vector<Key>& keys : {std::vector<Key>{},
                                       {1},
                                       {kLargest},
                                       {1, kLargest},
                                       {1, 2},
                                       {kLargest - 1, kLargest},
                                       {1, 1 + (Key{1} << 56), 2 + (Key{1} << 57)},
                                       {5, 6 + (Key{1} << 63), kLargest}}) {
    ASSERT_TRUE(CheckKeys(keys).ok());
    EXPECT_EQ(Decoded(EncodeKeys(keys), keys.size()), keys);
  }
}

TEST(KeyCodec, UniformKeysTakeLittleMoreThanTheirEntropy) {
  std::mt19937_64 random(2);
  const std::vector<Key> keys = RandomKeys(random, 100000, 64);
  // log2(e * 2^64 / 100000) bits a key are needed.
  EXPECT_LT(static_cast<double>(EncodeKeys(keys).size()) / 100000, 1.03 * 48.83 / 8);
  std::vector<Key> neighbours(1000);
  for (std::size_t i = 0; i < neighbours.size(); ++i) neighbours[i] = 77 + i;
  EXPECT_EQ(EncodeKeys(neighbours).size(), 8 + 32);
}

TEST(KeyCodec, RefusesWhatIsNoList) {
  ExpectRefused("x", 0, "for no keys");
  ExpectRefused("", 1, "no room for the first key");
  ExpectRefused("1234567", 1, "no room for the first key");
  ExpectRefused(Word(0), 1, "not above");
  ExpectRefused(Word(5), 2, "byte 8: ends with 1 keys missing");
  ExpectRefused(Word(5) + '\0', 1, "byte 8: 1 bytes too many");
  ExpectRefused(Word(5) + char(57), 2, "byte 8: width of 57 bits");
  ExpectRefused(Word(5) + char(63) + Word(1), 2, "width of 63 bits");
  ExpectRefused(Word(5) + char(200) + Word(1), 2, "width of 200 bits");
  ExpectRefused(Word(5) + char(64) + "1234567", 2, "a group of 8 bytes, 7 are there");
  ExpectRefused(Word(5) + char(8) + "a" + "b", 2, "byte 10: 1 bytes too many");
  ExpectRefused(Word(5) + char(3) + char(8), 2, "byte 9: padding bits are set");
  ExpectRefused(Word(kLargest) + '\0', 2, "key 1 is not above");
  ExpectRefused(Word(5) + char(64) + Word(kLargest), 2, "key 1 is not above");
  ExpectRefused(Word(kLargest - 3) + char(3) + char(7), 2, "key 1 is not above");
  ExpectRefused(Word(5), kMaxKeysPerList + 1, "keys, at most");
}

TEST(KeyCodec, NeverAcceptsWhatIsNotAscending) {
  std::mt19937_64 random(3);
  std::size_t accepted = 0;
  for (int round = 0; round < 200000; ++round) {
    const std::size_t count = 1 + random() % 80;
    const std::vector<Key> keys = RandomKeys(random, count, 1 + random() % 64);
    std::string section = EncodeKeys(keys);
    switch (random() % 4) {
      case 0:
        section.resize(random() % (section.size() + 1));
        break;
      case 1:
        section.push_back(static_cast<char>(random()));
        break;
      default:
        for (std::uint64_t i = 0; i <= random() % 4; ++i) {
          section[random() % section.size()] = static_cast<char>(random());
        }
    }
    const std::vector<char> exact(section.begin(), section.end());
    std::vector<Key> decoded;
    const absl::Status status = DecodeKeys({exact.data(), exact.size()}, keys.size(), decoded);
    if (!status.ok()) {
      EXPECT_TRUE(decoded.empty());
      continue;
    }
    ++accepted;
    ASSERT_EQ(decoded.size(), keys.size());
    ASSERT_TRUE(CheckKeys(decoded).ok());
    ASSERT_EQ(decoded, NaiveDecode(section, keys.size()));
  }
  EXPECT_GT(accepted, 1000);  // a changed gap is another list: only signatures and checksums tell
}

TEST(KeyCodec, ChecksKeysBeforeTheyAreSent) {
  EXPECT_TRUE(CheckKeys({}).ok());
  EXPECT_TRUE(CheckKeys({1, 2, kLargest}).ok());
  EXPECT_FALSE(CheckKeys({0}).ok());
  EXPECT_FALSE(CheckKeys({1, 1}).ok());
  EXPECT_FALSE(CheckKeys({2, 1}).ok());
}

TEST(KeyCodec, SignatureIsXxh3OfTheKeys) {
  const std::vector<Key> keys = {1, 0x0123456789abcdef, kLargest};
  const XXH128_hash_t expected = XXH3_128bits(keys.data(), 24);
  const KeyListSignature signature = SignatureOf(keys);
  EXPECT_EQ(signature.low, expected.low64);
  EXPECT_EQ(signature.high, expected.high64);
  const wire::KeyList list = DescribeKeys(keys);
  EXPECT_EQ(list.signature_low(), expected.low64);
  EXPECT_EQ(list.signature_high(), expected.high64);
  EXPECT_EQ(list.count(), 3);
  EXPECT_FALSE(list.cached());
}

}  // namespace
}  // namespace ps
