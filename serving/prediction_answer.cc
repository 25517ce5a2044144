#include "serving/prediction_answer.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "models/bundle/manifest.h"
#include "models/gbdt/json_value.h"
#include "models/metrics/class_metrics.h"
#include "models/metrics/metrics.h"

namespace ps {
namespace {

constexpr char kProbability[] = "probability";
constexpr char kPrediction[] = "prediction";
constexpr char kMargin[] = "margin";
constexpr char kClass[] = "class";

void AppendFloat(float value, std::string* text) {
  char digits[32];
  text->append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
}

void AppendFloats(absl::Span<const float> values, std::string* text) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text->append(", ");
    AppendFloat(values[i], text);
  }
}

// Margins of numbers are the predictions.
std::vector<float> PredictionsOf(const ServedModel& model, absl::Span<const float> margins) {
  std::vector<float> values(margins.begin(), margins.end());
  if (!model.class_names().empty()) {
    SoftmaxProbabilities(model.class_names().size(), &values);
  } else if (!model.scorer().predicts_numbers()) {
    for (float& value : values) value = static_cast<float>(Sigmoid(value));
  }
  return values;
}

// The first among equals, as everywhere.
std::size_t LikeliestClass(const float* margins, std::size_t classes) {
  return static_cast<std::size_t>(std::max_element(margins, margins + classes) - margins);
}

void AppendClasses(const ServedModel& model, absl::Span<const float> margins, absl::Span<const float> probabilities,
                   std::string* text) {
  std::vector<std::string> names;
  for (const std::string& name : model.class_names()) names.push_back(JsonString(name));
  for (std::size_t at = 0; at < margins.size(); at += names.size()) {
    absl::StrAppend(text, at > 0 ? ", " : "", "{\"class\": ", names[LikeliestClass(&margins[at], names.size())],
                    ", \"probabilities\": {");
    for (std::size_t c = 0; c < names.size(); ++c) {
      absl::StrAppend(text, c > 0 ? ", " : "", names[c], ": ");
      AppendFloat(probabilities[at + c], text);
    }
    text->append("}}");
  }
}

const char* DatatypeOf(const std::string& output) { return output == kClass ? "BYTES" : "FP32"; }

// "[n]", or "[n, classes]" of what there is for each class.
std::string ShapeOf(const ServedModel& model, const std::string& output, const std::string& rows) {
  if (model.class_names().empty() || output == kClass) return absl::StrCat("[", rows, "]");
  return absl::StrCat("[", rows, ", ", model.class_names().size(), "]");
}

void AppendOutput(const ServedModel& model, const std::string& output, absl::Span<const float> margins, std::string* text) {
  const std::size_t outputs = model.scorer().outputs();
  const std::string rows = absl::StrCat(margins.size() / outputs);
  absl::StrAppend(text, "{\"name\": \"", output, "\", \"datatype\": \"", DatatypeOf(output),
                  "\", \"shape\": ", ShapeOf(model, output, rows), ", \"data\": [");
  if (output == kMargin) {
    AppendFloats(margins, text);
  } else if (output == kClass) {
    for (std::size_t at = 0; at < margins.size(); at += outputs) {
      absl::StrAppend(text, at > 0 ? ", " : "", JsonString(model.class_names()[LikeliestClass(&margins[at], outputs)]));
    }
  } else {
    AppendFloats(PredictionsOf(model, margins), text);
  }
  text->append("]}");
}

std::string Tensor(const std::string& name, const char* datatype, const std::string& shape) {
  return absl::StrCat("{\"name\": ", JsonString(name), ", \"datatype\": \"", datatype, "\", \"shape\": ", shape, "}");
}

std::string Inputs(const ServedModel& model) {
  const TableLayout* const table = model.rows().table();
  if (table == nullptr) return Tensor("rows", "BYTES", "[-1]");
  std::string text;
  for (const std::uint32_t column : model.scorer().FeatureColumns()) {
    const std::string& name = table->names()[column];
    if (!IsUtf8(name)) continue;  // JSON cannot name it: lists of cells and lines can
    absl::StrAppend(&text, text.empty() ? "" : ", ", Tensor(name, model.ReadsNumbers(column) ? "FP64" : "BYTES", "[-1]"));
  }
  return text;
}

// In the order of the outputs that have one value for each.
void AppendClassNames(const ServedModel& model, std::string* text) {
  text->append(", \"parameters\": {\"classes\": [");
  for (std::size_t c = 0; c < model.class_names().size(); ++c) {
    absl::StrAppend(text, c > 0 ? ", " : "", JsonString(model.class_names()[c]));
  }
  text->append("]}");
}

}  // namespace

std::string PredictAnswer(const ServedModel& model, absl::Span<const float> margins) {
  const std::vector<float> predictions = PredictionsOf(model, margins);
  std::string text = "{\"predictions\": [";
  if (model.class_names().empty()) {
    AppendFloats(predictions, &text);
  } else {
    AppendClasses(model, margins, predictions, &text);
  }
  text.append("]}\n");
  return text;
}

std::vector<std::string> OutputNames(const ServedModel& model) {
  if (model.scorer().predicts_numbers()) return {kPrediction, kMargin};
  if (model.class_names().empty()) return {kProbability, kMargin};
  return {kProbability, kMargin, kClass};
}

std::string InferAnswer(const ServedModel& model, const std::string& name, const InferRequest& request,
                        absl::Span<const float> margins) {
  std::string text =
      absl::StrCat("{\"model_name\": ", JsonString(name), ", \"model_version\": \"", model.version(), "\"");
  if (!request.id.empty()) absl::StrAppend(&text, ", \"id\": ", JsonString(request.id));
  text.append(", \"outputs\": [");
  const std::vector<std::string> usual = {OutputNames(model).front()};
  const std::vector<std::string>& outputs = request.outputs.empty() ? usual : request.outputs;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (i > 0) text.append(", ");
    AppendOutput(model, outputs[i], margins, &text);
  }
  text.append("]}\n");
  return text;
}

std::string ModelMetadata(const ServedModel& model, const std::string& name) {
  std::string text = absl::StrCat("{\"name\": ", JsonString(name), ", \"versions\": [\"", model.version(),
                                  "\"], \"platform\": \"hyperplane_", model.info().model_type, "\", \"inputs\": [",
                                  Inputs(model), "], \"outputs\": [");
  const char* before = "";
  for (const std::string& output : OutputNames(model)) {
    absl::StrAppend(&text, before, Tensor(output, DatatypeOf(output), ShapeOf(model, output, "-1")));
    before = ", ";
  }
  text.append("]");
  if (!model.class_names().empty()) AppendClassNames(model, &text);
  text.append("}\n");
  return text;
}

}  // namespace ps
