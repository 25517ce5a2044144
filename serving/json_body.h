// A request's body as JSON, read from front to back without building it up (simdjson's on-demand
// interface), so that a number keeps its own digits. One thread; one body a thread at a time.
//
// After the first error nothing more may be read of the body. Structure is checked where it is read, and
// members that nobody asks for only so far as to step over them.
#pragma once

#include <simdjson.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "serving/request_rows.h"

namespace ps {

namespace json = simdjson::ondemand;

class JsonBody {
 public:
  JsonBody();
  ~JsonBody();
  JsonBody(const JsonBody&) = delete;
  JsonBody& operator=(const JsonBody&) = delete;

  // Texts that are read later live as long as this. `body` need not.
  absl::Status Open(std::string_view body, json::object* whole);
  // Once the object has been read: whether it was all that there is.
  absl::Status End();

  // InvalidArgument, with the byte that is being read.
  absl::Status Error(simdjson::error_code code);
  // A cell of a row. InvalidArgument, without the row's name: it is a list or an object.
  absl::Status ReadCell(json::value value, Cell* cell);
  // A text; InvalidArgument names `what`.
  absl::Status ReadText(json::value value, std::string_view what, std::string_view* text);

 private:
  struct Scratch;
  static Scratch& OfThread();

  std::unique_ptr<Scratch> own_;  // of a body too large to keep its memory
  Scratch* scratch_;
  json::document document_;
};

}  // namespace ps
