// Frames: how a Message travels as bytes. PROTOCOL.md is the normative description.
//
//   frame := header (64 bytes, little-endian) body (protobuf wire.Body) section*
//
// A frame is either one contiguous buffer or a head (header and body) and one buffer a section, so
// that bulk can be sent without being copied. Decoders trust nothing: every length and count is
// checked before use, and an error says what is wrong and at which byte. Pure functions; any
// thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ps/wire/message.h"

namespace ps {

inline constexpr std::size_t kFrameHeaderBytes = 64;
inline constexpr std::uint8_t kFrameVersion = 1;
// The oldest version whose frames this code understands, and the oldest that understands its
// frames.
inline constexpr std::uint8_t kFrameOldestVersion = 1;
inline constexpr std::size_t kMaxSections = 8;
inline constexpr std::size_t kMaxBodyBytes = std::size_t{64} << 20;
inline constexpr std::size_t kMaxFrameBytes = std::size_t{256} << 20;  // header, body and sections

enum FrameFlag : std::uint16_t {
  kFrameBulkChecksum = 1,  // bulk_crc is the CRC32C of all sections, in order
};

// The header's fields, at their offsets. All little-endian, as is every processor this runs on.
struct FrameHeader {
  std::array<char, 4> magic;    // "HPWF"
  std::uint8_t version;         // of the sender's format
  std::uint8_t oldest_version;  // oldest receiver that may read it
  std::uint16_t flags;          // FrameFlag
  std::uint32_t body_bytes;
  std::uint16_t section_count;
  std::uint16_t reserved0;                                // 0
  std::array<std::uint32_t, kMaxSections> section_bytes;  // 0 from section_count on
  std::uint32_t bulk_crc;                                 // 0 without kFrameBulkChecksum
  std::array<std::uint32_t, 2> reserved1;                 // 0
  std::uint32_t head_crc;                                 // CRC32C of bytes 0..59, then of the body
};
static_assert(sizeof(FrameHeader) == kFrameHeaderBytes);
static_assert(offsetof(FrameHeader, head_crc) == kFrameHeaderBytes - 4);

struct FrameOptions {
  bool bulk_checksum = true;
};

// Header and body of a message whose sections are sent as they are. InvalidArgument when the
// message has too many sections or is larger than a frame may be.
absl::StatusOr<std::string> EncodeFrameHead(const Message& message, FrameOptions options = {});

// The whole frame in one buffer.
absl::StatusOr<std::string> EncodeFrame(const Message& message, FrameOptions options = {});

// A head that was read and found consistent in itself.
struct FrameHead {
  FrameHeader header;
  wire::Body body;
  std::size_t bytes = 0;  // header and body
};

// Reads header and body from the start of `bytes`, which may be longer.
absl::StatusOr<FrameHead> DecodeFrameHead(std::string_view bytes);

// Reads a frame that must fill `bytes` exactly.
absl::StatusOr<Message> DecodeFrame(std::string_view bytes);

// Checks sections that arrived apart from their head against it: their number, lengths and
// checksum.
absl::Status CheckSections(const FrameHead& head, absl::Span<const std::string> sections);

// What a receiver answers to a frame it refused. `request` is the refused frame's where its head
// could still be read, otherwise 0.
Message MalformedReply(const absl::Status& why, std::uint64_t request);

}  // namespace ps
