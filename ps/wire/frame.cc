#include "ps/wire/frame.h"

#include <bit>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ps/base/crc32c.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::array<char, 4> kMagic = {'H', 'P', 'W', 'F'};
constexpr std::uint16_t kKnownFlags = kFrameBulkChecksum;

template <typename... Parts>
absl::Status Malformed(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat("frame: ", parts...));
}

std::string_view HeaderBytes(const FrameHeader& header) {
  return {reinterpret_cast<const char*>(&header), sizeof header};
}

std::uint32_t HeadCrc(const FrameHeader& header, std::string_view body) {
  return ExtendCrc32c(Crc32c(HeaderBytes(header).substr(0, offsetof(FrameHeader, head_crc))), body);
}

absl::Status CheckVersion(const FrameHeader& header) {
  if (header.magic != kMagic) return Malformed("byte 0: not the magic HPWF");
  if (header.version < kFrameOldestVersion) {
    return Malformed("byte 4: version ", header.version, ", the oldest understood here is ",
                     kFrameOldestVersion);
  }
  if (header.oldest_version > kFrameVersion) {
    return Malformed("byte 5: needs a reader of version ", header.oldest_version, ", this is ",
                     kFrameVersion);
  }
  if (header.oldest_version > header.version || header.oldest_version == 0) {
    return Malformed("byte 5: oldest version ", header.oldest_version, " of version ",
                     header.version);
  }
  // What a newer version put there is safe to ignore, or it would have raised its oldest version.
  if (header.version > kFrameVersion) return absl::OkStatus();
  if ((header.flags & ~kKnownFlags) != 0) {
    return Malformed("byte 6: unknown flags ", absl::Hex(header.flags));
  }
  if (header.reserved0 != 0) return Malformed("byte 14: reserved bits are set");
  if (header.reserved1 != std::array<std::uint32_t, 2>{}) {
    return Malformed("byte 52: reserved bits are set");
  }
  return absl::OkStatus();
}

absl::Status CheckLengths(const FrameHeader& header) {
  if (header.body_bytes > kMaxBodyBytes) {
    return Malformed("byte 8: body of ", header.body_bytes, " bytes, at most ", kMaxBodyBytes);
  }
  if (header.section_count > kMaxSections) {
    return Malformed("byte 12: ", header.section_count, " sections, at most ", kMaxSections);
  }
  std::uint64_t total = kFrameHeaderBytes + std::uint64_t{header.body_bytes};
  for (std::size_t i = 0; i < kMaxSections; ++i) {
    if (i >= header.section_count && header.section_bytes[i] != 0) {
      return Malformed("byte ", 16 + 4 * i, ": a length of section ", i, " of ",
                       header.section_count);
    }
    total += header.section_bytes[i];
  }
  if (total > kMaxFrameBytes) {
    return Malformed("byte 16: frame of ", total, " bytes, at most ", kMaxFrameBytes);
  }
  if ((header.flags & kFrameBulkChecksum) == 0 && header.bulk_crc != 0) {
    return Malformed("byte 48: a bulk checksum without its flag");
  }
  return absl::OkStatus();
}

absl::Status CheckBulkCrc(const FrameHeader& header, std::uint32_t crc) {
  if ((header.flags & kFrameBulkChecksum) != 0 && header.bulk_crc != crc) {
    return Malformed("byte 48: CRC32C of the sections is ", absl::Hex(crc, absl::kZeroPad8),
                     ", the header says ", absl::Hex(header.bulk_crc, absl::kZeroPad8));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> EncodeFrameHead(const Message& message, FrameOptions options) {
  const std::size_t body_bytes = message.body.ByteSizeLong();
  if (message.sections.size() > kMaxSections) {
    return Malformed(message.sections.size(), " sections, at most ", kMaxSections);
  }
  if (body_bytes > kMaxBodyBytes) {
    return Malformed("body of ", body_bytes, " bytes, at most ", kMaxBodyBytes);
  }
  FrameHeader header = {};
  header.magic = kMagic;
  header.version = kFrameVersion;
  header.oldest_version = kFrameOldestVersion;
  header.body_bytes = static_cast<std::uint32_t>(body_bytes);
  header.section_count = static_cast<std::uint16_t>(message.sections.size());
  std::size_t total = kFrameHeaderBytes + body_bytes;
  for (std::size_t i = 0; i < message.sections.size(); ++i) {
    const std::string& section = message.sections[i];
    total += section.size();
    if (total > kMaxFrameBytes) {
      return Malformed(total, " bytes or more, at most ", kMaxFrameBytes);
    }
    header.section_bytes[i] = static_cast<std::uint32_t>(section.size());
    if (options.bulk_checksum) header.bulk_crc = ExtendCrc32c(header.bulk_crc, section);
  }
  if (options.bulk_checksum) header.flags |= kFrameBulkChecksum;

  std::string head(kFrameHeaderBytes + body_bytes, '\0');
  message.body.SerializeWithCachedSizesToArray(
      reinterpret_cast<std::uint8_t*>(head.data() + kFrameHeaderBytes));
  header.head_crc = HeadCrc(header, std::string_view(head).substr(kFrameHeaderBytes));
  std::memcpy(head.data(), &header, sizeof header);
  return head;
}

absl::StatusOr<std::string> EncodeFrame(const Message& message, FrameOptions options) {
  PS_ASSIGN_OR_RETURN(std::string frame, EncodeFrameHead(message, options));
  std::size_t total = frame.size();
  for (const std::string& section : message.sections) total += section.size();
  frame.reserve(total);
  for (const std::string& section : message.sections) frame += section;
  return frame;
}

absl::StatusOr<FrameHead> DecodeFrameHead(std::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes) {
    return Malformed(bytes.size(), " bytes, a header has ", kFrameHeaderBytes);
  }
  FrameHead head;
  std::memcpy(&head.header, bytes.data(), sizeof head.header);
  PS_RETURN_IF_ERROR(CheckVersion(head.header));
  PS_RETURN_IF_ERROR(CheckLengths(head.header));
  const std::string_view rest = bytes.substr(kFrameHeaderBytes);
  if (rest.size() < head.header.body_bytes) {
    return Malformed("byte 8: body of ", head.header.body_bytes, " bytes, ", rest.size(),
                     " are there");
  }
  const std::string_view body = rest.substr(0, head.header.body_bytes);
  const std::uint32_t crc = HeadCrc(head.header, body);
  if (crc != head.header.head_crc) {
    return Malformed("byte 60: CRC32C of header and body is ", absl::Hex(crc, absl::kZeroPad8),
                     ", the header says ", absl::Hex(head.header.head_crc, absl::kZeroPad8));
  }
  if (!head.body.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return Malformed("byte 64: the body is not a wire.Body");
  }
  head.bytes = kFrameHeaderBytes + body.size();
  return head;
}

absl::StatusOr<Message> DecodeFrame(std::string_view bytes) {
  PS_ASSIGN_OR_RETURN(FrameHead head, DecodeFrameHead(bytes));
  std::size_t at = head.bytes;
  for (std::size_t i = 0; i < head.header.section_count; ++i) {
    const std::size_t length = head.header.section_bytes[i];
    if (length > bytes.size() - at) {
      return Malformed("byte ", 16 + 4 * i, ": section ", i, " of ", length, " bytes, ",
                       bytes.size() - at, " are there");
    }
    at += length;
  }
  if (at != bytes.size()) {
    return Malformed("byte ", at, ": ", bytes.size() - at, " bytes too many");
  }
  // The sections lie one after the other, so their checksum is that of the whole rest.
  if ((head.header.flags & kFrameBulkChecksum) != 0) {
    PS_RETURN_IF_ERROR(CheckBulkCrc(head.header, Crc32c(bytes.substr(head.bytes))));
  }
  Message message;
  at = head.bytes;
  message.sections.reserve(head.header.section_count);
  for (std::size_t i = 0; i < head.header.section_count; ++i) {
    message.sections.emplace_back(bytes.substr(at, head.header.section_bytes[i]));
    at += head.header.section_bytes[i];
  }
  message.body = std::move(head.body);
  return message;
}

absl::Status CheckSections(const FrameHead& head, absl::Span<const std::string> sections) {
  if (sections.size() != head.header.section_count) {
    return Malformed("byte 12: ", head.header.section_count, " sections, ", sections.size(),
                     " came");
  }
  std::uint32_t crc = 0;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    if (sections[i].size() != head.header.section_bytes[i]) {
      return Malformed("byte ", 16 + 4 * i, ": section ", i, " of ", head.header.section_bytes[i],
                       " bytes, ", sections[i].size(), " came");
    }
    if ((head.header.flags & kFrameBulkChecksum) != 0) crc = ExtendCrc32c(crc, sections[i]);
  }
  return CheckBulkCrc(head.header, crc);
}

Message MalformedReply(const absl::Status& why, std::uint64_t request) {
  Message reply;
  reply.body.set_request(request);
  wire::Error& error = *reply.body.mutable_error();
  error.set_code(wire::Error::MALFORMED);
  error.set_message(std::string(why.message()));
  return reply;
}

}  // namespace ps
