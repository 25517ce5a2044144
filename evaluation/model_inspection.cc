#include "evaluation/model_inspection.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "evaluation/inspection_text.h"
#include "evaluation/key_names.h"
#include "evaluation/largest.h"
#include "evaluation/metrics_table.h"
#include "models/features/extractor.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

std::string Hex(Key key) { return absl::StrFormat("%016x", key); }

struct Weighted {
  Key key;
  float weight;
  float rank() const { return std::fabs(weight); }
};

struct Changed {
  Key key;
  float before, after;
  float rank() const { return std::fabs(after - before); }
};

void DescribeWeights(const Bundle& bundle, std::ostream& out) {
  double sum = 0, square = 0;
  float low = 0, high = 0;
  for (const float weight : bundle.weights()) {
    sum += std::fabs(weight);
    square += double{weight} * weight;
    low = std::min(low, weight);
    high = std::max(high, weight);
  }
  Line(out, "smallest weight", Shortest(low));
  Line(out, "largest weight", Shortest(high));
  Line(out, "L1 norm", absl::StrFormat("%.6g", sum));
  Line(out, "L2 norm", absl::StrFormat("%.6g", std::sqrt(square)));
}

void DescribeExtractor(const Bundle& bundle, std::ostream& out) {
  const absl::StatusOr<std::string> serialized = bundle.ReadFile("extractor.pb");
  if (!serialized.ok()) {
    Line(out, "extractor", "none");
    return;
  }
  const auto extractor = Extractor::Parse(*serialized);
  if (!extractor.ok()) {
    Line(out, "extractor", std::string(extractor.status().message()));
    return;
  }
  out << "extractor\n";
  for (const absl::string_view line :
       absl::StrSplit((*extractor)->Describe(), '\n', absl::SkipEmpty())) {
    out << "  " << line << '\n';
  }
}

struct Comparison {
  std::uint64_t added = 0, removed = 0, changed = 0, same = 0;
  double dot = 0, before_square = 0, after_square = 0, difference_square = 0;

  void Add(std::optional<float> before, std::optional<float> after) {
    const double a = before.value_or(0), b = after.value_or(0);
    added += !before;
    removed += !after;
    changed += before && after && a != b;
    same += before && after && a == b;
    dot += a * b;
    before_square += a * a;
    after_square += b * b;
    difference_square += (a - b) * (a - b);
  }
};

// Calls visit(key, weight before, weight after) for each key of either model, ascending.
template <typename Visit>
void WalkBoth(const Bundle& before, const Bundle& after, const Visit& visit) {
  std::size_t a = 0, b = 0;
  while (a < before.keys().size() || b < after.keys().size()) {
    const bool left = a < before.keys().size(), right = b < after.keys().size();
    if (left && (!right || before.keys()[a] < after.keys()[b])) {
      visit(before.keys()[a], before.weights()[a], std::nullopt);
      ++a;
    } else if (!left || after.keys()[b] < before.keys()[a]) {
      visit(after.keys()[b], std::nullopt, after.weights()[b]);
      ++b;
    } else {
      visit(before.keys()[a], before.weights()[a], after.weights()[b]);
      ++a;
      ++b;
    }
  }
}

}  // namespace

void InspectModel(const Bundle& bundle, std::ostream& out) {
  const BundleInfo& info = bundle.info();
  Line(out, "job", info.job_name);
  Line(out, "model type", info.model_type);
  Line(out, "training", info.complete ? "complete" : "stopped early");
  Line(out, "rows learnt", GroupedDigits(info.rows_learnt));
  Line(out, "features", GroupedDigits(info.features));
  Line(out, "bias", Shortest(info.bias));
  Line(out, "margin offset", Shortest(info.margin_offset));
  Line(out, "optimizer", info.optimizer);
  DescribeWeights(bundle, out);
  Line(out, "extractor digest", info.extractor_digest);
  DescribeExtractor(bundle, out);
}

absl::Status DumpModel(const Bundle& bundle, const DumpOptions& options, std::ostream& out) {
  const std::uint64_t count = bundle.keys().size();
  // All weights in the order of their keys are written as they lie; else the chosen ones.
  const bool as_they_lie = options.top == 0 && options.order == DumpOrder::kKey;
  std::vector<Weighted> chosen;
  if (!as_they_lie) {
    Largest<Weighted> largest(options.top == 0 ? count : options.top);
    for (std::uint64_t i = 0; i < count; ++i) {
      largest.Add({bundle.keys()[i], bundle.weights()[i]});
    }
    chosen = std::move(largest).Take();
    if (options.order == DumpOrder::kKey) {
      std::sort(chosen.begin(), chosen.end(),
                [](const Weighted& a, const Weighted& b) { return a.key < b.key; });
    }
  }
  std::vector<Key> wanted;
  for (const Weighted& item : chosen) wanted.push_back(item.key);
  std::sort(wanted.begin(), wanted.end());
  KeyNames names(bundle, as_they_lie ? bundle.keys() : absl::Span<const Key>(wanted));
  if (options.data) PS_RETURN_IF_ERROR(names.LearnFrom(*options.data->files, options.data->bad_rows));
  const bool named = !names.title().empty();
  const auto print = [&](Key key, float weight) {
    out << Hex(key) << '\t';
    if (named) out << names.NameOf(key) << '\t';
    out << Shortest(weight) << '\n';
  };
  out << "key\t" << names.title() << (named ? "\t" : "") << "weight\n";
  out << (named ? "bias\t\t" : "bias\t") << Shortest(bundle.info().bias) << '\n';
  for (std::uint64_t i = 0; as_they_lie && i < count; ++i) print(bundle.keys()[i], bundle.weights()[i]);
  for (const Weighted& item : chosen) print(item.key, item.weight);
  out.flush();
  return out.good() ? absl::OkStatus() : absl::UnavailableError("cannot write the dump");
}

void DiffModels(const Bundle& before, const Bundle& after, std::uint64_t top, std::ostream& out) {
  Comparison all;
  Largest<Changed> largest(top);
  WalkBoth(before, after, [&](Key key, std::optional<float> a, std::optional<float> b) {
    all.Add(a, b);
    if (a != b) largest.Add({key, a.value_or(0), b.value_or(0)});
  });
  const double norms = std::sqrt(all.before_square) * std::sqrt(all.after_square);
  Line(out, "added", GroupedDigits(all.added));
  Line(out, "removed", GroupedDigits(all.removed));
  Line(out, "changed", GroupedDigits(all.changed));
  Line(out, "unchanged", GroupedDigits(all.same));
  Line(out, "cosine", norms > 0 ? absl::StrFormat("%.9f", all.dot / norms) : "undefined");
  Line(out, "L2 norm before", absl::StrFormat("%.6g", std::sqrt(all.before_square)));
  Line(out, "L2 norm after", absl::StrFormat("%.6g", std::sqrt(all.after_square)));
  Line(out, "L2 of difference", absl::StrFormat("%.6g", std::sqrt(all.difference_square)));
  Line(out, "bias",
       absl::StrCat(Shortest(before.info().bias), " -> ", Shortest(after.info().bias)));
  Line(out, "extractor",
       before.info().extractor_digest == after.info().extractor_digest
           ? "same"
           : "different: weights of equal keys may mean different features");
  const std::vector<Changed> changes = std::move(largest).Take();
  if (changes.empty()) return;
  out << "\nkey\tbefore\tafter\tdifference\n";
  for (const Changed& change : changes) {
    out << Hex(change.key) << '\t' << Shortest(change.before) << '\t' << Shortest(change.after)
        << '\t' << Shortest(change.after - change.before) << '\n';
  }
}

}  // namespace ps
