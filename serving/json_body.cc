#include "serving/json_body.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace ps {
namespace {

constexpr std::size_t kKeptBytes = 1 << 20;  // of a body whose memory the thread keeps for the next

std::string_view WithoutBlanksBehind(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace

struct JsonBody::Scratch {
  json::parser parser;
  std::string text;  // the body, and padding that the parser may read
};

JsonBody::Scratch& JsonBody::OfThread() {
  static thread_local Scratch scratch;
  return scratch;
}

JsonBody::JsonBody() : scratch_(&OfThread()) {}
JsonBody::~JsonBody() = default;

absl::Status JsonBody::Open(std::string_view body, json::object* whole) {
  if (body.size() > kKeptBytes) {
    own_ = std::make_unique<Scratch>();
    scratch_ = own_.get();
  }
  std::string& text = scratch_->text;
  text.resize(std::max(text.size(), body.size() + simdjson::SIMDJSON_PADDING));
  std::copy(body.begin(), body.end(), text.begin());
  std::fill_n(text.begin() + static_cast<std::ptrdiff_t>(body.size()), simdjson::SIMDJSON_PADDING, '\0');
  const simdjson::padded_string_view padded(text.data(), body.size(), text.size());
  if (const auto error = scratch_->parser.iterate(padded).get(document_)) {
    return absl::InvalidArgumentError(absl::StrCat("the body is no JSON: ", simdjson::error_message(error)));
  }
  if (const auto error = document_.get_object().get(*whole)) {
    if (error == simdjson::INCORRECT_TYPE) return absl::InvalidArgumentError("the body is no JSON object");
    return Error(error);
  }
  return absl::OkStatus();
}

absl::Status JsonBody::End() {
  const char* at = nullptr;
  if (document_.current_location().get(at) == simdjson::OUT_OF_BOUNDS) return absl::OkStatus();
  return absl::InvalidArgumentError("the body is no JSON: there is more behind the object");
}

absl::Status JsonBody::Error(simdjson::error_code code) {
  const char* at = nullptr;
  const bool known = document_.current_location().get(at) == simdjson::SUCCESS;
  return absl::InvalidArgumentError(
      absl::StrCat("the body is no JSON", known ? absl::StrCat(" at byte ", at - scratch_->text.data()) : "", ": ",
                   simdjson::error_message(code)));
}

absl::Status JsonBody::ReadCell(json::value value, Cell* cell) {
  json::json_type type;
  if (const auto error = value.type().get(type)) return Error(error);
  *cell = Cell();
  simdjson::error_code error = simdjson::SUCCESS;
  switch (type) {
    case json::json_type::string:
      cell->kind = Cell::Kind::kText;
      error = value.get_string().get(cell->text);
      break;
    case json::json_type::number: {
      cell->kind = Cell::Kind::kNumber;
      cell->text = WithoutBlanksBehind(value.raw_json_token());
      double number = 0;  // to know that it is one
      error = value.get_double().get(number);
      break;
    }
    case json::json_type::boolean:
      cell->kind = Cell::Kind::kFlag;
      error = value.get_bool().get(cell->flag);
      break;
    case json::json_type::null: {  // by its first letter
      bool null = false;
      error = value.is_null().get(null);
      if (error == simdjson::SUCCESS && !null) error = simdjson::N_ATOM_ERROR;
      break;
    }
    default:
      return absl::InvalidArgumentError("expected a number, a text, true, false or null, found a list or an object");
  }
  return error == simdjson::SUCCESS ? absl::OkStatus() : Error(error);
}

absl::Status JsonBody::ReadText(json::value value, std::string_view what, std::string_view* text) {
  json::json_type type;
  if (const auto error = value.type().get(type)) return Error(error);
  if (type != json::json_type::string) return absl::InvalidArgumentError(absl::StrCat(std::string(what), ": expected a text"));
  if (const auto error = value.get_string().get(*text)) return Error(error);
  return absl::OkStatus();
}

}  // namespace ps
