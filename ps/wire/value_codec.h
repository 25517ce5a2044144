// Values on the wire: weights and gradients as f32, bf16 or scaled int8. PROTOCOL.md is normative.
//
//   section := packing (u8) payload
//   payload := values                        packing 0, dense
//            | bitmap values                 packing 1: a bit a value, then only those that are not
//            zero
//   values  := f32* | bf16* | (scale (f32) int8{1..256})*
//
// Zeros may be packed because a zero value still has its key: only values are ever left out. -0
// travels as 0 when it is packed. Values that are not finite are refused by the decoder in every
// format; an encoder given one makes a section that is refused, so that it cannot turn into a
// plausible number on the way. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "ps/wire/message.pb.h"

namespace ps {

inline constexpr std::size_t kInt8Block = 256;  // values that share a scale

// bf16 rounds to nearest, ties to even, and saturates at its largest finite value; its relative
// error is at most 2^-8. int8 has an error of at most half a scale, the block's largest magnitude /
// 127.
std::string EncodeValues(wire::ValueFormat format, absl::Span<const float> values);
void AppendValues(wire::ValueFormat format, absl::Span<const float> values, std::string* out);

// Reads exactly values.size() values out of all of `section`. InvalidArgument says what is wrong;
// `values` is then unspecified.
absl::Status DecodeValues(wire::ValueFormat format, std::string_view section,
                          absl::Span<float> values);

}  // namespace ps
