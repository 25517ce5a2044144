// POST /v1/models/NAME:predict: {"instances": [...]}, in TensorFlow Serving's row format.
//
// An instance is an object of names to numbers, texts, true, false or null; a list of the same in the
// order of the columns; or a text, which is a row's line. "signature_name" may be there, and is not looked at.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "serving/request_rows.h"

namespace ps {

// Adds the instances to *rows, which is empty. InvalidArgument: the body is none such, or an instance is
// no row, and which; ResourceExhausted: there are more than `most_rows`, or than RequestRows::kMostCells cells.
absl::Status ReadPredictRequest(std::string_view body, std::size_t most_rows, RequestRows* rows);

}  // namespace ps
