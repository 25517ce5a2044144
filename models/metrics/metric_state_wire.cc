// The bytes of a MetricState:
//
//   u8 version (1) | 8 x f64 sums | varint bins in use | bins by ascending index
//   bin: varint (gap << 1 | fractional) | positives, negatives | f64 prediction
//
// gap is the index less the previous bin's index less 1 (the first: the index itself). Counts are
// varints, or f64 when `fractional` (rows with weights). Numbers are little-endian.
#include <optional>

#include "models/metrics/metrics.h"
#include "models/metrics/number_bytes.h"

namespace ps {
namespace {

constexpr char kVersion = 1;

}  // namespace

std::string MetricState::Serialize() const {
  std::string out(1, kVersion);
  for (const double sum :
       {sums_.rows, sums_.positives, sums_.prediction, sums_.loss, sums_.loss_compensation,
        sums_.loss_square, sums_.weighted_loss, sums_.weight_square}) {
    AppendDouble(sum, &out);
  }
  const auto in_use = [](const Bin& bin) {
    return bin.positives != 0 || bin.negatives != 0 || bin.prediction != 0;
  };
  std::uint64_t used = 0;
  for (const Bin& bin : bins_) used += in_use(bin);
  AppendVarint(used, &out);
  std::uint64_t next = 0;
  for (std::uint64_t b = 0; b < bins_.size(); ++b) {
    const Bin& bin = bins_[b];
    if (!in_use(bin)) continue;
    const bool fractional = !IsCount(bin.positives) || !IsCount(bin.negatives);
    AppendVarint((b - next) << 1 | static_cast<std::uint64_t>(fractional), &out);
    next = b + 1;
    for (const double weight : {bin.positives, bin.negatives}) {
      if (fractional) {
        AppendDouble(weight, &out);
      } else {
        AppendVarint(static_cast<std::uint64_t>(weight), &out);
      }
    }
    AppendDouble(bin.prediction, &out);
  }
  return out;
}

bool MetricState::Parse(std::string_view bytes) {
  if (bytes.empty() || bytes.front() != kVersion) return false;
  bytes.remove_prefix(1);
  NumberReader reader(bytes);
  MetricState parsed;
  Sums& s = parsed.sums_;
  for (double* sum : {&s.rows, &s.positives, &s.prediction, &s.loss, &s.loss_compensation,
                      &s.loss_square, &s.weighted_loss, &s.weight_square}) {
    const std::optional<double> value = reader.Double();
    if (!value) return false;
    *sum = *value;
  }
  if (!(s.rows >= 0 && s.positives >= 0 && s.weight_square >= 0) || !std::isfinite(s.rows) ||
      !std::isfinite(s.positives) || !std::isfinite(s.weight_square)) {
    return false;
  }
  const std::optional<std::uint64_t> used = reader.Varint();
  if (!used || *used > kBins || (*used == 0 && s.rows != 0)) return false;
  if (*used > 0) parsed.bins_.resize(kBins);
  std::uint64_t index = 0;
  for (std::uint64_t i = 0; i < *used; ++i) {
    const std::optional<std::uint64_t> head = reader.Varint();
    if (!head || (*head >> 1) >= kBins - index) return false;
    index += *head >> 1;
    const bool fractional = *head & 1;
    const std::optional<double> positives = reader.Weight(fractional);
    const std::optional<double> negatives = reader.Weight(fractional);
    const std::optional<double> prediction = reader.Double();
    if (!positives || !negatives || !prediction) return false;
    parsed.bins_[index] = {*positives, *negatives, *prediction};
    ++index;
  }
  if (reader.size() != 0) return false;
  *this = std::move(parsed);
  return true;
}

}  // namespace ps
