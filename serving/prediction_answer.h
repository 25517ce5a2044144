// What margins predict, as JSON. Floats have the fewest digits that read back as the same float, as in the
// predictions file of ps_eval. Margins are finite. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "serving/infer_request.h"
#include "serving/served_model.h"

namespace ps {

// {"predictions": [...]}: the probability of the positive class; of a model of numbers the number; of
// several classes {"class": NAME, "probabilities": {NAME: p, ...}}.
std::string PredictAnswer(const ServedModel& model, absl::Span<const float> margins);

// The outputs that `request` asks for, in the Open Inference Protocol's form. `name`: of the model.
std::string InferAnswer(const ServedModel& model, const std::string& name, const InferRequest& request,
                        absl::Span<const float> margins);

// Names of the outputs that a model has; the first is the one that is given where none is asked for.
std::vector<std::string> OutputNames(const ServedModel& model);
// What the protocol says of a model: names, types and shapes of inputs and outputs.
std::string ModelMetadata(const ServedModel& model, const std::string& name);

}  // namespace ps
