#include "ps/state_store/state_log.h"

#include <bit>
#include <cstring>
#include <limits>
#include <optional>

#include "absl/strings/str_cat.h"
#include "ps/base/crc32c.h"

namespace ps {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr char kMagic[4] = {'H', 'P', 'S', 'L'};

struct FrameHeader {
  char magic[4];
  std::uint32_t payload_bytes;
  std::uint64_t sequence;
  std::uint64_t term;
  std::uint32_t payload_crc;
  std::uint32_t header_crc;  // of the fields before
};
static_assert(sizeof(FrameHeader) == kStateFrameHeaderBytes);

std::uint32_t HeaderCrc(const FrameHeader& header) {
  return Crc32c({reinterpret_cast<const char*>(&header), offsetof(FrameHeader, header_crc)});
}

// The frame at the start of `bytes`, when it is whole.
std::optional<FrameHeader> WholeFrame(std::string_view bytes) {
  if (bytes.size() < kStateFrameHeaderBytes) return std::nullopt;
  FrameHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return std::nullopt;
  if (HeaderCrc(header) != header.header_crc) return std::nullopt;
  if (header.payload_bytes > bytes.size() - kStateFrameHeaderBytes) return std::nullopt;
  if (Crc32c(bytes.substr(kStateFrameHeaderBytes, header.payload_bytes)) != header.payload_crc) {
    return std::nullopt;
  }
  return header;
}

// False when the payload, whose checksum is right, is not a list of records: another program wrote
// it.
bool ReadRecords(std::string_view payload, StateRecords& records) {
  while (!payload.empty()) {
    std::uint32_t sizes[2];
    if (payload.size() < sizeof sizes) return false;
    std::memcpy(sizes, payload.data(), sizeof sizes);
    payload.remove_prefix(sizeof sizes);
    if (std::uint64_t{sizes[0]} + sizes[1] > payload.size()) return false;
    records[std::string(payload.substr(0, sizes[0]))] = payload.substr(sizes[0], sizes[1]);
    payload.remove_prefix(sizes[0] + sizes[1]);
  }
  return true;
}

absl::Status Damaged(const std::string& path, std::size_t offset, const std::string& what) {
  return absl::DataLossError(absl::StrCat(path, ": offset ", offset, ": ", what));
}

}  // namespace

absl::StatusOr<std::string> EncodeStateFrame(
    const StateFrameName& name, absl::Span<const std::pair<std::string, std::string>> records) {
  std::uint64_t payload_bytes = 0;
  for (const auto& [key, value] : records) payload_bytes += 8 + key.size() + value.size();
  if (payload_bytes > std::numeric_limits<std::uint32_t>::max()) {
    return absl::InvalidArgumentError("a commit to the state store of 4 GiB or more");
  }
  std::string frame(kStateFrameHeaderBytes, '\0');
  frame.reserve(kStateFrameHeaderBytes + payload_bytes);
  for (const auto& [key, value] : records) {
    const std::uint32_t sizes[2] = {static_cast<std::uint32_t>(key.size()),
                                    static_cast<std::uint32_t>(value.size())};
    frame.append(reinterpret_cast<const char*>(sizes), sizeof sizes);
    frame += key;
    frame += value;
  }
  FrameHeader header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.payload_bytes = static_cast<std::uint32_t>(payload_bytes);
  header.sequence = name.sequence;
  header.term = name.term;
  header.payload_crc = Crc32c(std::string_view(frame).substr(kStateFrameHeaderBytes));
  header.header_crc = HeaderCrc(header);
  std::memcpy(frame.data(), &header, sizeof header);
  return frame;
}

absl::StatusOr<StateLog> ReadStateLog(const std::string& path, std::string_view bytes) {
  StateLog log;
  while (log.whole_bytes < bytes.size()) {
    const std::size_t at = log.whole_bytes;
    const std::optional<FrameHeader> header = WholeFrame(bytes.substr(at));
    if (!header.has_value()) break;
    const bool follows =
        at == 0 || (header->sequence == log.last.sequence + 1 && header->term == log.last.term);
    if (!follows) return Damaged(path, at, "a commit is missing before this one");
    if (!ReadRecords(bytes.substr(at + kStateFrameHeaderBytes, header->payload_bytes),
                     log.records)) {
      return Damaged(path, at, "not a list of records");
    }
    log.last = {header->sequence, header->term};
    log.whole_bytes += kStateFrameHeaderBytes + header->payload_bytes;
  }
  if (log.whole_bytes == 0) return Damaged(path, 0, "not a state log, or its start is damaged");
  // Commits are written one at a time, so a torn one is the last. Anything whole behind it says
  // that it is damage.
  for (std::size_t at = log.whole_bytes + 1; at < bytes.size(); ++at) {
    at = bytes.find(std::string_view(kMagic, sizeof kMagic), at);
    if (at == std::string_view::npos) break;
    if (WholeFrame(bytes.substr(at)).has_value()) {
      return Damaged(path, log.whole_bytes,
                     absl::StrCat("damaged commit; a whole one follows at offset ", at));
    }
  }
  return log;
}

}  // namespace ps
