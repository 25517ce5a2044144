// POST /v2/models/NAME/infer of the Open Inference Protocol: an input a column, by its name, or an index of
// libsvm text; or one input "rows" of BYTES, whose elements are rows' lines. Shapes are [n] or [n, 1].
//
// Datatypes say which JSON an input's data are of: BYTES texts, BOOL true and false, all others numbers;
// null is a missing value in each. A number keeps its own digits: FP32 and FP64 are not rounded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "serving/request_rows.h"

namespace ps {

struct InferRequest {
  std::string id;                    // may be empty
  std::vector<std::string> outputs;  // that are asked for; empty: the usual one
};

// Adds the rows to *rows, which is empty. InvalidArgument: the body is none such; ResourceExhausted: there
// are more than `most_rows` rows, or than RequestRows::kMostCells cells.
absl::Status ReadInferRequest(std::string_view body, const ServedModel& model, std::size_t most_rows,
                              InferRequest* request, RequestRows* rows);

}  // namespace ps
