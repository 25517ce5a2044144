#include "serving/predict_request.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"
#include "serving/json_body.h"

namespace ps {
namespace {

class PredictReader {
 public:
  PredictReader(std::size_t most_rows, RequestRows* rows) : most_rows_(most_rows), rows_(*rows) {}

  absl::Status Read(std::string_view body) {
    json::object whole;
    PS_RETURN_IF_ERROR(body_.Open(body, &whole));
    for (auto member : whole) {
      json::field field;
      if (const auto error = std::move(member).get(field)) return body_.Error(error);
      std::string_view name;
      if (const auto error = field.unescaped_key().get(name)) return body_.Error(error);
      if (name == "instances") {
        if (std::exchange(found_, true)) return absl::InvalidArgumentError("\"instances\" is there twice");
        PS_RETURN_IF_ERROR(ReadInstances(field.value()));
      } else if (name != "signature_name") {
        return absl::InvalidArgumentError(
            absl::StrCat("unknown member \"", absl::Utf8SafeCEscape(std::string(name.substr(0, 80))), "\": expected {\"instances\": [...]}"));
      }
    }
    if (!found_) return absl::InvalidArgumentError("there are no \"instances\": expected {\"instances\": [...]}");
    return body_.End();
  }

 private:
  absl::Status ReadInstances(json::value value) {
    json::json_type type;
    if (const auto error = value.type().get(type)) return body_.Error(error);
    if (type != json::json_type::array) return absl::InvalidArgumentError("\"instances\": expected a list");
    json::array instances;
    if (const auto error = value.get_array().get(instances)) return body_.Error(error);
    for (auto element : instances) {
      json::value instance;
      if (const auto error = std::move(element).get(instance)) return body_.Error(error);
      if (rows_.rows() == most_rows_) {
        return absl::ResourceExhaustedError(absl::StrCat("a request has at most ", most_rows_, " rows"));
      }
      PS_RETURN_IF_ERROR(ReadInstance(instance));
    }
    return absl::OkStatus();
  }

  absl::Status ReadInstance(json::value instance) {
    json::json_type type;
    if (const auto error = instance.type().get(type)) return body_.Error(error);
    switch (type) {
      case json::json_type::object:
        return ReadObject(instance);
      case json::json_type::array:
        return ReadList(instance);
      case json::json_type::string: {
        std::string_view line;
        if (const auto error = instance.get_string().get(line)) return body_.Error(error);
        return rows_.AddLine(line);
      }
      default:
        return rows_.Wrong("expected an object, a list of cells, or a text, which is a row's line");
    }
  }

  absl::Status ReadObject(json::value instance) {
    json::object object;
    if (const auto error = instance.get_object().get(object)) return body_.Error(error);
    PS_RETURN_IF_ERROR(rows_.Begin());
    for (auto member : object) {
      json::field field;
      if (const auto error = std::move(member).get(field)) return body_.Error(error);
      std::string_view name;
      if (const auto error = field.unescaped_key().get(name)) return body_.Error(error);
      Cell cell;
      if (const absl::Status read = body_.ReadCell(field.value(), &cell); !read.ok()) {
        return rows_.Wrong(absl::StrCat("\"", absl::Utf8SafeCEscape(std::string(name.substr(0, 80))), "\": ", read.message()));
      }
      PS_RETURN_IF_ERROR(rows_.Set(name, cell));
    }
    return rows_.End();
  }

  absl::Status ReadList(json::value instance) {
    json::array list;
    if (const auto error = instance.get_array().get(list)) return body_.Error(error);
    cells_.clear();
    for (auto element : list) {
      json::value value;
      if (const auto error = std::move(element).get(value)) return body_.Error(error);
      Cell cell;
      if (const absl::Status read = body_.ReadCell(value, &cell); !read.ok()) {
        return rows_.Wrong(absl::StrCat("cell ", cells_.size(), ": ", read.message()));
      }
      cells_.push_back(cell);
      if (cells_.size() > rows_.most_cells()) break;  // an error: no more is read
    }
    return rows_.AddList(cells_);
  }

  const std::size_t most_rows_;
  RequestRows& rows_;
  JsonBody body_;
  bool found_ = false;
  std::vector<Cell> cells_;
};

}  // namespace

absl::Status ReadPredictRequest(std::string_view body, std::size_t most_rows, RequestRows* rows) {
  return PredictReader(most_rows, rows).Read(body);
}

}  // namespace ps
