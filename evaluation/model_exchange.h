// Bundles to and from the model formats of other tools: the work of ps_model export and import.
// Errors are for people: InvalidArgument (a wrong request, or no such model), Unimplemented (what
// one side cannot say), DataLoss (a damaged bundle), and those of files.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "models/bundle/bundle.h"
#include "models/gbdt/foreign_model.h"

namespace ps {

absl::Status ExportModel(const Bundle& bundle, ModelFormat format, const std::string& path);

// How the data that the model will score are laid out.
struct ImportLayout {
  std::string data_format = "csv";  // csv, tsv or libsvm
  std::string label = "label";      // tables: name of the first column; the features follow
  std::string like;  // a bundle whose data the model will score: columns are found by name
};
absl::Status ImportModel(const std::string& path, ModelFormat format, const ImportLayout& layout,
                         const std::string& out);

}  // namespace ps
