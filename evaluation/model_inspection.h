// What ps_model prints about bundles. Text is a function of the bundles alone: no dates, no paths
// but those given, ties in key order. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>

#include "absl/status/status.h"
#include "models/bundle/bundle.h"
#include "models/data/bad_rows.h"
#include "models/data/data_files.h"

namespace ps {

// Facts of the manifest, of the weights as a whole, and of the extractor.
void InspectModel(const Bundle& bundle, std::ostream& out);

enum class DumpOrder { kMagnitude, kKey };

// Data that name keys (KeyNames::LearnFrom), of the columns that the model was trained on.
struct NamingData {
  const DataFiles* files = nullptr;
  BadRows* bad_rows = nullptr;
};

struct DumpOptions {
  std::uint64_t top = 0;  // only the weights largest in magnitude; 0: all
  DumpOrder order = DumpOrder::kMagnitude;
  std::optional<NamingData> data;
};

// Tab-separated with a heading: key (hex), what it stands for where that can be told (KeyNames),
// weight. The bias is the first line, its key is "bias". Errors: of writing, and of the data.
absl::Status DumpModel(const Bundle& bundle, const DumpOptions& options, std::ostream& out);

// How `after` differs from `before`: counts, norms, cosine, and the `top` largest differences.
void DiffModels(const Bundle& before, const Bundle& after, std::uint64_t top, std::ostream& out);

}  // namespace ps
