// The bytes of a ClassMetricState:
//
//   u8 version (1) | varint classes | 5 x f64 sums | three lists: own, others, confusions
//   list: varint weights in use | weights by ascending place
//   weight: varint (gap << 1 | fractional) | varint, or f64 when `fractional`
//
// gap is the place less the previous one's less 1 (the first: the place itself).
#include <utility>

#include "models/metrics/class_metrics.h"
#include "models/metrics/number_bytes.h"

namespace ps {
namespace {

constexpr char kVersion = 1;

void AppendList(const std::vector<double>& weights, std::string* out) {
  std::uint64_t used = 0, next = 0;
  for (const double weight : weights) used += weight != 0;
  AppendVarint(used, out);
  for (std::uint64_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    const bool fractional = !IsCount(weights[i]);
    AppendVarint((i - next) << 1 | static_cast<std::uint64_t>(fractional), out);
    next = i + 1;
    if (fractional) {
      AppendDouble(weights[i], out);
    } else {
      AppendVarint(static_cast<std::uint64_t>(weights[i]), out);
    }
  }
}

bool ReadList(NumberReader* reader, std::vector<double>* weights) {
  const std::optional<std::uint64_t> used = reader->Varint();
  if (!used || *used > weights->size()) return false;
  std::uint64_t place = 0;
  for (std::uint64_t i = 0; i < *used; ++i) {
    const std::optional<std::uint64_t> head = reader->Varint();
    if (!head || (*head >> 1) >= weights->size() - place) return false;
    place += *head >> 1;
    const std::optional<double> weight = reader->Weight(*head & 1);
    if (!weight) return false;
    (*weights)[place] = *weight;
    ++place;
  }
  return true;
}

}  // namespace

std::string ClassMetricState::Serialize() const {
  std::string out(1, kVersion);
  AppendVarint(classes_, &out);
  for (const double sum : {sums_.rows, sums_.loss, sums_.loss_square, sums_.weighted_loss, sums_.weight_square})
    AppendDouble(sum, &out);
  for (const std::vector<double>* weights : {&own_, &others_, &confusion_}) AppendList(*weights, &out);
  return out;
}

bool ClassMetricState::Parse(std::string_view bytes) {
  if (bytes.empty() || bytes.front() != kVersion) return false;
  NumberReader reader(bytes.substr(1));
  ClassMetricState parsed(classes_);
  if (reader.Varint() != std::optional<std::uint64_t>(classes_)) return false;
  Sums& s = parsed.sums_;
  for (double* sum : {&s.rows, &s.loss, &s.loss_square, &s.weighted_loss, &s.weight_square}) {
    const std::optional<double> value = reader.Double();
    if (!value) return false;
    *sum = *value;
  }
  for (const double weight : {s.rows, s.weight_square}) {
    if (!(weight >= 0 && std::isfinite(weight))) return false;
  }
  parsed.Reserve();
  for (std::vector<double>* weights : {&parsed.own_, &parsed.others_, &parsed.confusion_}) {
    if (!ReadList(&reader, weights)) return false;
  }
  if (reader.size() != 0) return false;
  *this = std::move(parsed);
  return true;
}

}  // namespace ps
