// CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of files and frames.
//
// Uses SSE4.2 and PCLMULQDQ, which every processor of the project's baseline has. Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace ps {

// Continues a checksum: ExtendCrc32c(Crc32c(a), b) == Crc32c(a followed by b). Crc32c("") is 0.
std::uint32_t ExtendCrc32c(std::uint32_t crc, std::string_view bytes);

inline std::uint32_t Crc32c(std::string_view bytes) { return ExtendCrc32c(0, bytes); }

}  // namespace ps
