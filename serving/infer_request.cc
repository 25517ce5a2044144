#include "serving/infer_request.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ps/base/status_macros.h"
#include "serving/json_body.h"
#include "serving/prediction_answer.h"

namespace ps {
namespace {

constexpr std::string_view kLines = "rows";
constexpr std::size_t kMostMembers = 64;         // of an object, of which some are looked at
constexpr std::size_t kMostIndices = 64 << 10;  // of libsvm rows that come as tensors

std::string Shown(std::string_view text) { return absl::StrCat("\"", absl::Utf8SafeCEscape(std::string(text.substr(0, 80))), "\""); }

struct Input {
  std::string_view name;
  std::string_view datatype;
  std::vector<std::uint64_t> shape;
  std::vector<Cell> data;
  bool has_data = false;
};

// Empty: no such datatype.
std::string DataOf(std::string_view datatype, Cell::Kind* kind) {
  static const std::set<std::string_view> numbers = {"INT8",  "INT16",  "INT32",  "INT64", "UINT8", "UINT16",
                                                     "UINT32", "UINT64", "FP16",  "FP32",  "FP64",  "BF16"};
  if (datatype == "BYTES") return *kind = Cell::Kind::kText, "texts";
  if (datatype == "BOOL") return *kind = Cell::Kind::kFlag, "true and false";
  if (numbers.count(datatype) > 0) return *kind = Cell::Kind::kNumber, "numbers";
  return {};
}

class InferReader {
 public:
  InferReader(const ServedModel& model, std::size_t most_rows, InferRequest* request, RequestRows* rows)
      : model_(model),
        most_rows_(most_rows),
        most_inputs_(rows->most_cells() > 0 ? rows->most_cells() : kMostIndices),
        request_(*request),
        rows_(*rows) {}

  absl::Status Read(std::string_view body) {
    json::object whole;
    PS_RETURN_IF_ERROR(body_.Open(body, &whole));
    PS_RETURN_IF_ERROR(EachMember(whole, [&](std::string_view name, json::value value) -> absl::Status {
      if (name == "inputs") return ReadInputs(value);
      if (name == "outputs") return ReadOutputs(value);
      if (name == "parameters") return absl::OkStatus();
      if (name != "id") return absl::InvalidArgumentError(absl::StrCat("unknown member ", Shown(name)));
      std::string_view id;
      PS_RETURN_IF_ERROR(body_.ReadText(value, "\"id\"", &id));
      request_.id = std::string(id);
      return absl::OkStatus();
    }));
    PS_RETURN_IF_ERROR(body_.End());
    return AddRows();
  }

 private:
  // Calls take(name, value) for the members in order, each of which is there once.
  template <typename Take>
  absl::Status EachMember(json::object object, const Take& take) {
    std::set<std::string_view> seen;
    for (auto member : object) {
      json::field field;
      if (const auto error = std::move(member).get(field)) return body_.Error(error);
      std::string_view name;
      if (const auto error = field.unescaped_key().get(name)) return body_.Error(error);
      if (seen.size() == kMostMembers) return absl::InvalidArgumentError("an object has too many members");
      if (!seen.insert(name).second) return absl::InvalidArgumentError(absl::StrCat(Shown(name), " is there twice"));
      PS_RETURN_IF_ERROR(take(name, field.value()));
    }
    return absl::OkStatus();
  }

  template <typename Take>
  absl::Status EachElement(json::value value, std::string_view what, const Take& take) {
    json::json_type type;
    if (const auto error = value.type().get(type)) return body_.Error(error);
    if (type != json::json_type::array) return absl::InvalidArgumentError(absl::StrCat(std::string(what), ": expected a list"));
    json::array array;
    if (const auto error = value.get_array().get(array)) return body_.Error(error);
    for (auto element : array) {
      json::value item;
      if (const auto error = std::move(element).get(item)) return body_.Error(error);
      PS_RETURN_IF_ERROR(take(item));
    }
    return absl::OkStatus();
  }

  absl::Status AsObject(json::value value, std::string_view what, json::object* object) {
    json::json_type type;
    if (const auto error = value.type().get(type)) return body_.Error(error);
    if (type != json::json_type::object) return absl::InvalidArgumentError(absl::StrCat(std::string(what), ": expected objects"));
    if (const auto error = value.get_object().get(*object)) return body_.Error(error);
    return absl::OkStatus();
  }

  absl::Status ReadInputs(json::value value) {
    return EachElement(value, "\"inputs\"", [&](json::value item) -> absl::Status {
      json::object object;
      PS_RETURN_IF_ERROR(AsObject(item, "\"inputs\"", &object));
      if (inputs_.size() == most_inputs_)
        return absl::InvalidArgumentError(absl::StrCat("there are more inputs than the ", most_inputs_, " that there may be"));
      Input& input = inputs_.emplace_back();
      return EachMember(object, [&](std::string_view name, json::value member) -> absl::Status {
        if (name == "name") return body_.ReadText(member, "name of an input", &input.name);
        if (name == "datatype") return body_.ReadText(member, "datatype of an input", &input.datatype);
        if (name == "shape") return ReadShape(member, &input);
        if (name == "data") {
          input.has_data = true;
          return ReadData(member, &input);
        }
        return absl::OkStatus();  // parameters
      });
    });
  }

  absl::Status ReadShape(json::value value, Input* input) {
    return EachElement(value, "shape of an input", [&](json::value item) -> absl::Status {
      std::uint64_t extent = 0;
      if (item.get_uint64().get(extent) != simdjson::SUCCESS || input->shape.size() == 2) {
        return absl::InvalidArgumentError(absl::StrCat("input ", Shown(input->name), ": shape: expected [n] or [n, 1]"));
      }
      input->shape.push_back(extent);
      return absl::OkStatus();
    });
  }

  absl::Status ReadData(json::value value, Input* input) {
    return EachElement(value, "data of an input", [&](json::value item) -> absl::Status {
      json::json_type type;
      if (const auto error = item.type().get(type)) return body_.Error(error);
      if (type != json::json_type::array) return ReadDatum(item, input);
      return EachElement(item, "data of an input", [&](json::value inner) { return ReadDatum(inner, input); });
    });
  }

  absl::Status ReadDatum(json::value value, Input* input) {
    if (input->data.size() == most_rows_) {
      return absl::ResourceExhaustedError(absl::StrCat("a request has at most ", most_rows_, " rows"));
    }
    if (++cells_ > RequestRows::kMostCells) {
      return absl::ResourceExhaustedError(absl::StrCat("a request has at most ", RequestRows::kMostCells, " cells"));
    }
    return body_.ReadCell(value, &input->data.emplace_back());
  }

  absl::Status ReadOutputs(json::value value) {
    const std::vector<std::string> known = OutputNames(model_);
    return EachElement(value, "\"outputs\"", [&](json::value item) -> absl::Status {
      json::object object;
      PS_RETURN_IF_ERROR(AsObject(item, "\"outputs\"", &object));
      std::string_view output;
      PS_RETURN_IF_ERROR(EachMember(object, [&](std::string_view name, json::value member) -> absl::Status {
        return name == "name" ? body_.ReadText(member, "name of an output", &output) : absl::OkStatus();
      }));
      if (std::find(known.begin(), known.end(), output) == known.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat("there is no output ", Shown(output), ", but ", absl::StrJoin(known, ", ")));
      }
      if (std::find(request_.outputs.begin(), request_.outputs.end(), output) != request_.outputs.end()) {
        return absl::InvalidArgumentError(absl::StrCat("output ", Shown(output), ": it is asked for twice"));
      }
      request_.outputs.emplace_back(output);
      return absl::OkStatus();
    });
  }

  absl::Status Check(const Input& input) {
    const auto wrong = [&](const std::string& what) {
      return absl::InvalidArgumentError(absl::StrCat("input ", Shown(input.name), ": ", what));
    };
    if (!input.has_data) return wrong("there is no data (as JSON: binary data are not taken)");
    if (input.shape.empty() || input.shape.back() != (input.shape.size() == 2 ? 1 : input.shape[0])) {
      return wrong("shape: expected [n] or [n, 1]");
    }
    if (input.shape[0] != input.data.size()) {
      return wrong(absl::StrCat("the shape says ", input.shape[0], " elements, data has ", input.data.size()));
    }
    if (input.data.size() != inputs_.front().data.size()) {
      return wrong(absl::StrCat("it has ", input.data.size(), " rows, ", Shown(inputs_.front().name), " has ",
                                inputs_.front().data.size()));
    }
    Cell::Kind kind;
    const std::string expected = DataOf(input.datatype, &kind);
    if (expected.empty()) return wrong(absl::StrCat("there is no datatype ", Shown(input.datatype)));
    for (std::size_t i = 0; i < input.data.size(); ++i) {
      const Cell::Kind found = input.data[i].kind;
      if (found == kind || found == Cell::Kind::kMissing) continue;
      return wrong(absl::StrCat("data of ", Shown(input.datatype), " are ", expected, ": element ", i, " is none"));
    }
    return absl::OkStatus();
  }

  absl::Status AddRows() {
    if (inputs_.empty()) return absl::InvalidArgumentError("there are no \"inputs\"");
    for (const Input& input : inputs_) PS_RETURN_IF_ERROR(Check(input));
    const Input& first = inputs_.front();
    const bool lines = first.name == kLines && !model_.ColumnNamed(kLines);
    if (lines && (inputs_.size() > 1 || first.datatype != "BYTES")) {
      return absl::InvalidArgumentError("input \"rows\" has rows' lines, as BYTES, and is the only input");
    }
    for (std::size_t row = 0; row < first.data.size(); ++row) {
      if (lines) {
        PS_RETURN_IF_ERROR(rows_.AddLine(first.data[row].text));
        continue;
      }
      PS_RETURN_IF_ERROR(rows_.Begin());
      for (const Input& input : inputs_) PS_RETURN_IF_ERROR(rows_.Set(input.name, input.data[row]));
      PS_RETURN_IF_ERROR(rows_.End());
    }
    return absl::OkStatus();
  }

  const ServedModel& model_;
  const std::size_t most_rows_;
  const std::size_t most_inputs_;  // columns are there once
  InferRequest& request_;
  RequestRows& rows_;
  JsonBody body_;
  std::vector<Input> inputs_;
  std::size_t cells_ = 0;  // of all of them
};

}  // namespace

absl::Status ReadInferRequest(std::string_view body, const ServedModel& model, std::size_t most_rows,
                              InferRequest* request, RequestRows* rows) {
  return InferReader(model, most_rows, request, rows).Read(body);
}

}  // namespace ps
