#include "models/bundle/weights_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ps/base/crc32c.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

absl::Status Damaged(const std::string& path, std::uint64_t offset, const std::string& what) {
  return absl::DataLossError(absl::StrCat(path, ": offset ", offset, ": ", what));
}

absl::Status CheckHeader(const std::string& path, std::string_view file, WeightsHeader* header) {
  if (file.size() < sizeof(*header)) {
    return Damaged(path, file.size(), "the file ends inside its header");
  }
  std::memcpy(header, file.data(), sizeof(*header));
  if (std::memcmp(header->magic, kWeightsMagic, sizeof(header->magic)) != 0) {
    return Damaged(path, 0, "this is not a weights file");
  }
  if (Crc32c(file.substr(0, sizeof(*header) - 4)) != header->header_crc32c) {
    return Damaged(path, 0, "the header's checksum does not match");
  }
  if (header->version != kWeightsVersion) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": format version ", header->version,
                                                      "; this program reads version ",
                                                      kWeightsVersion));
  }
  if (header->file_bytes != file.size()) {
    return Damaged(path, file.size(),
                   absl::StrCat("the file should have ", header->file_bytes, " bytes"));
  }
  return absl::OkStatus();
}

// Sections lie where the format says and nowhere else, so no offset of the header is ever trusted.
absl::Status CheckLayout(const std::string& path, const WeightsHeader& header) {
  const std::uint64_t count = header.count;
  if (header.index_bits > kMaxIndexBits || count > header.file_bytes / sizeof(Key)) {
    return Damaged(path, 12, "impossible counts");
  }
  struct Expected {
    const WeightsSection& section;
    std::uint64_t bytes;
  };
  std::uint64_t offset = sizeof(WeightsHeader);
  for (const Expected& expected :
       {Expected{header.keys, count * sizeof(Key)}, Expected{header.weights, count * sizeof(float)},
        Expected{header.index, ((std::uint64_t{1} << header.index_bits) + 1) * 8}}) {
    offset = AlignSection(offset);
    if (expected.section.offset != offset || expected.section.bytes != expected.bytes ||
        expected.section.zero != 0) {
      return Damaged(path, 32, "the table of sections is not that of the format");
    }
    offset += expected.bytes;
  }
  if (offset != header.file_bytes) return Damaged(path, 24, "sections and file size disagree");
  for (const std::uint8_t byte : header.zero) {
    if (byte != 0) return Damaged(path, 104, "reserved bytes are in use");
  }
  return absl::OkStatus();
}

absl::Status CheckGap(const std::string& path, std::string_view file, std::uint64_t begin,
                      std::uint64_t end) {
  for (std::uint64_t at = begin; at < end; ++at) {
    if (file[at] != 0) return Damaged(path, at, "a byte between sections is not zero");
  }
  return absl::OkStatus();
}

// Checks a section in pieces that stay in the cache: `check(first, elements)` sees each piece after
// it went into the checksum and returns the index of an element that breaks the format, or a
// negative number.
template <typename T, typename Check>
absl::Status CheckSection(const std::string& path, const char* name, const WeightsSection& section,
                          absl::Span<const T> values, const char* rule, Check check) {
  constexpr std::size_t kPiece = (256 << 10) / sizeof(T);
  std::uint32_t crc = 0;
  std::int64_t broken = -1;
  for (std::size_t first = 0; first < values.size(); first += kPiece) {
    const absl::Span<const T> piece = values.subspan(first, kPiece);
    crc =
        ExtendCrc32c(crc, {reinterpret_cast<const char*>(piece.data()), piece.size() * sizeof(T)});
    if (broken < 0) broken = check(first, piece);
  }
  if (crc != section.crc32c) {
    return Damaged(path, section.offset,
                   absl::StrFormat("the checksum of the %d bytes of %s is %08x, not %08x",
                                   section.bytes, name, crc, section.crc32c));
  }
  if (broken >= 0) return Damaged(path, section.offset + broken * sizeof(T), rule);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WeightsFile> WeightsFile::Open(const std::string& path) {
  PS_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(path));
  WeightsFile result(std::move(mapped));
  const std::string_view file = result.file_.bytes();
  WeightsHeader& header = result.header_;
  PS_RETURN_IF_ERROR(CheckHeader(path, file, &header));
  PS_RETURN_IF_ERROR(CheckLayout(path, header));
  PS_RETURN_IF_ERROR(
      CheckGap(path, file, header.keys.offset + header.keys.bytes, header.weights.offset));
  PS_RETURN_IF_ERROR(
      CheckGap(path, file, header.weights.offset + header.weights.bytes, header.index.offset));
  result.keys_ = {reinterpret_cast<const Key*>(file.data() + header.keys.offset), header.count};
  result.weights_ = {reinterpret_cast<const float*>(file.data() + header.weights.offset),
                     header.count};
  result.slot_begin_ = {reinterpret_cast<const std::uint64_t*>(file.data() + header.index.offset),
                        (std::size_t{1} << header.index_bits) + 1};

  Key last = kEmptyKey;
  PS_RETURN_IF_ERROR(CheckSection(
      path, "keys", header.keys, result.keys_, "keys do not ascend, or a key is reserved",
      [&](std::size_t first, absl::Span<const Key> piece) -> std::int64_t {
        for (std::size_t i = 0; i < piece.size(); ++i) {
          if (piece[i] <= last || piece[i] == kBiasKey) return static_cast<std::int64_t>(first + i);
          last = piece[i];
        }
        return -1;
      }));
  PS_RETURN_IF_ERROR(
      CheckSection(path, "weights", header.weights, result.weights_, "a weight is not finite",
                   [](std::size_t first, absl::Span<const float> piece) -> std::int64_t {
                     for (std::size_t i = 0; i < piece.size(); ++i) {
                       if (!std::isfinite(piece[i])) return static_cast<std::int64_t>(first + i);
                     }
                     return -1;
                   }));
  // Every element separates the keys of the slots before it from those of the slots after it.
  const int bits = static_cast<int>(header.index_bits);
  const absl::Span<const Key> keys = result.keys_;
  const std::uint64_t slots = std::uint64_t{1} << bits;
  PS_RETURN_IF_ERROR(CheckSection(
      path, "slot index", header.index, result.slot_begin_, "the slot index does not fit the keys",
      [&](std::size_t first, absl::Span<const std::uint64_t> piece) -> std::int64_t {
        for (std::size_t i = 0; i < piece.size(); ++i) {
          const std::uint64_t slot = first + i, at = piece[i];
          const bool fits =
              at <= keys.size() &&
              (at == 0 || slot == slots || IndexSlot(keys[at - 1], bits) < slot) &&
              (at == keys.size() || (slot < slots && IndexSlot(keys[at], bits) >= slot));
          if (!fits) return static_cast<std::int64_t>(slot);
        }
        return -1;
      }));
  return result;
}

}  // namespace ps
