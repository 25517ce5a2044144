#include "tests/wire/forged_message.h"

#include <cstdint>
#include <iterator>
#include <string>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/message_lite.h"

namespace ps {
namespace {

constexpr std::uint64_t kEdges[] = {0,          1,          2,      0x7f,        0x80,
                                    0xff,       0xffff,     1 << 20, 0x7fffffff, 0xffffffff,
                                    1ull << 40, 1ull << 63, ~0ull};

void ChangeByte(std::string& bytes, std::mt19937_64& random) {
  if (bytes.empty()) return;
  bytes[random() % bytes.size()] ^= static_cast<char>(1 << (random() % 8));
}

// Fields of the encoding, one of whose numbers gets a value on some edge. Lengths stay true: a field
// inside another one is reached with a wrapper whose length may change, so this goes down by itself.
std::string ChangeNumber(const std::string& encoded, std::mt19937_64& random, int depth) {
  google::protobuf::io::CodedInputStream in(
      reinterpret_cast<const std::uint8_t*>(encoded.data()), static_cast<int>(encoded.size()));
  std::string out;
  const auto varint = [&out](std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
    out.push_back(static_cast<char>(value));
  };
  const bool here = random() % 3 == 0 || depth > 4;
  while (const std::uint32_t tag = in.ReadTag()) {
    varint(tag);
    std::uint64_t value = 0;
    switch (tag & 7) {
      case 0:
        if (!in.ReadVarint64(&value)) return encoded;
        if (here && random() % 2 == 0) value = kEdges[random() % std::size(kEdges)];
        varint(value);
        break;
      case 1:
        if (!in.ReadLittleEndian64(&value)) return encoded;
        if (here && random() % 2 == 0) value = kEdges[random() % std::size(kEdges)];
        out.append(reinterpret_cast<const char*>(&value), 8);
        break;
      case 2: {
        std::uint32_t length = 0;
        std::string inside;
        if (!in.ReadVarint32(&length) || !in.ReadString(&inside, static_cast<int>(length))) {
          return encoded;
        }
        if (!here) inside = ChangeNumber(inside, random, depth + 1);
        varint(inside.size());
        out += inside;
        break;
      }
      case 5: {
        std::uint32_t word = 0;
        if (!in.ReadLittleEndian32(&word)) return encoded;
        if (here && random() % 2 == 0) word = static_cast<std::uint32_t>(random());
        out.append(reinterpret_cast<const char*>(&word), 4);
        break;
      }
      default:
        return encoded;
    }
  }
  return out;
}

void ChangeSections(Message& message, std::mt19937_64& random) {
  std::vector<std::string>& sections = message.sections;
  if (sections.empty()) return;
  std::string& section = sections[random() % sections.size()];
  switch (random() % 6) {
    case 0: sections.pop_back(); break;
    case 1: sections.push_back(section); break;
    case 2: section.resize(random() % (section.size() + 1)); break;
    case 3: section.append(1 + random() % 16, static_cast<char>(random())); break;
    default: ChangeByte(section, random);
  }
  if (sections.size() > 8) sections.resize(8);
}

}  // namespace

Message Forge(const Message& message, std::mt19937_64& random) {
  Message forged = message;
  if (random() % 2 == 0) ChangeSections(forged, random);
  if (random() % 4 == 0 && !forged.sections.empty()) return forged;
  std::string bytes = message.body.SerializeAsString();
  if (random() % 4 == 0) {
    ChangeByte(bytes, random);
  } else {
    bytes = ChangeNumber(bytes, random, 0);
  }
  wire::Body body;
  if (body.ParseFromString(bytes)) forged.body = body;
  return forged;
}

}  // namespace ps
