#include "models/bundle/manifest.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ps/base/crc32c.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

constexpr char kFormat[] = "hyperplane-bundle";
constexpr char kChecksumHead[] = "  \"crc32c\": \"";
constexpr char kChecksumTail[] = "\"\n}\n";
constexpr double kLargestInteger = 9007199254740992.0;  // 2^53

std::string Hex32(std::uint32_t value) { return absl::StrFormat("%08x", value); }

std::string JsonNumber(double value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof(digits), value).ptr};
}

// Members of one JSON object by name and type. The first problem is kept in `status`, so that a
// caller reads everything and asks once.
class Members {
 public:
  Members(const std::string& path, const Struct& object) : path_(path), object_(object) {}

  std::string Text(const char* name) {
    const Value* value = Find(name, Value::kStringValue, "a string");
    return value == nullptr ? "" : value->string_value();
  }
  double Number(const char* name) {
    const Value* value = Find(name, Value::kNumberValue, "a number");
    return value == nullptr ? 0 : value->number_value();
  }
  std::uint64_t Count(const char* name) {
    const double number = Number(name);
    if (number >= 0 && number <= kLargestInteger && number == std::floor(number)) {
      return static_cast<std::uint64_t>(number);
    }
    Fail(absl::StrCat("\"", name, "\" is not a count"));
    return 0;
  }
  bool Flag(const char* name) {
    const Value* value = Find(name, Value::kBoolValue, "true or false");
    return value != nullptr && value->bool_value();
  }
  std::uint32_t Checksum(const char* name) {
    const std::string text = Text(name);
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc() || end != text.data() + text.size() || text.size() != 8) {
      Fail(absl::StrCat("\"", name, "\" is not a checksum"));
    }
    return value;
  }
  const Struct* Object(const char* name) {
    const Value* value = Find(name, Value::kStructValue, "an object");
    return value == nullptr ? nullptr : &value->struct_value();
  }
  const absl::Status& status() const { return status_; }

 private:
  const Value* Find(const char* name, Value::KindCase kind, const char* expected) {
    const auto found = object_.fields().find(name);
    if (found == object_.fields().end()) {
      Fail(absl::StrCat("\"", name, "\" is missing"));
    } else if (found->second.kind_case() != kind) {
      Fail(absl::StrCat("\"", name, "\" is not ", expected));
    } else {
      return &found->second;
    }
    return nullptr;
  }
  void Fail(const std::string& what) {
    if (status_.ok()) status_ = absl::DataLossError(absl::StrCat(path_, ": ", what));
  }

  const std::string& path_;
  const Struct& object_;
  absl::Status status_;
};

absl::Status CheckOwnChecksum(const std::string& path, std::string_view text) {
  const std::size_t head = text.rfind(kChecksumHead);
  if (head == std::string_view::npos) {
    return absl::DataLossError(
        absl::StrCat(path, ": offset ", text.size(), ": the checksum at the end is missing"));
  }
  const std::string expected =
      absl::StrCat(kChecksumHead, Hex32(Crc32c(text.substr(0, head))), kChecksumTail);
  if (text.substr(head) != expected) {
    return absl::DataLossError(
        absl::StrCat(path, ": offset 0: the checksum of the first ", head,
                     " bytes does not match (the file is not meant to be edited)"));
  }
  return absl::OkStatus();
}

}  // namespace

bool IsBundleFileName(std::string_view name) {
  constexpr std::size_t kLongest = 64;
  bool plain = !name.empty() && name.size() <= kLongest && name.front() != '.';
  for (const char c : name) {
    plain = plain && (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' ||
                      c == '-');
  }
  return plain;
}

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string WriteManifest(const Manifest& manifest) {
  const BundleInfo& info = manifest.info;
  std::string out = "{\n";
  const auto member = [&out](const char* name, const std::string& value) {
    absl::StrAppend(&out, "  ", JsonString(name), ": ", value, ",\n");
  };
  member("format", JsonString(kFormat));
  member("version", absl::StrCat(kBundleVersion));
  member("model_type", JsonString(info.model_type));
  member("job", JsonString(info.job_name));
  member("complete", info.complete ? "true" : "false");
  member("rows_learnt", absl::StrCat(info.rows_learnt));
  member("features", absl::StrCat(info.features));
  member("bias", JsonNumber(info.bias));
  member("margin_offset", JsonNumber(info.margin_offset));
  member("optimizer", JsonString(info.optimizer));
  member("extractor_digest", JsonString(info.extractor_digest));
  std::string files;
  for (const auto& [name, file] : manifest.files) {
    absl::StrAppend(&files, files.empty() ? "" : ",", "\n    ", JsonString(name),
                    ": {\"bytes\": ", file.bytes, ", \"crc32c\": \"", Hex32(file.crc32c), "\"}");
  }
  member("files", absl::StrCat("{", files, "\n  }"));
  const std::uint32_t crc = Crc32c(out);
  return absl::StrCat(out, kChecksumHead, Hex32(crc), kChecksumTail);
}

absl::StatusOr<Manifest> ParseManifest(const std::string& path, std::string_view text) {
  PS_RETURN_IF_ERROR(CheckOwnChecksum(path, text));
  Struct object;
  const auto parsed = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(text.data(), text.size()), &object);
  if (!parsed.ok()) {
    return absl::DataLossError(absl::StrCat(path, ": ", std::string(parsed.message())));
  }
  Members members(path, object);
  if (members.Text("format") != kFormat) {
    return absl::DataLossError(absl::StrCat(path, ": this is not the manifest of a model bundle"));
  }
  if (const std::uint64_t version = members.Count("version"); version != kBundleVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": bundle version ", version, "; this program reads version ", kBundleVersion));
  }
  Manifest manifest;
  BundleInfo& info = manifest.info;
  info.model_type = members.Text("model_type");
  info.job_name = members.Text("job");
  info.complete = members.Flag("complete");
  info.rows_learnt = members.Count("rows_learnt");
  info.features = members.Count("features");
  info.bias = members.Number("bias");
  info.margin_offset = members.Number("margin_offset");
  info.optimizer = members.Text("optimizer");
  info.extractor_digest = members.Text("extractor_digest");
  const Struct* files = members.Object("files");
  PS_RETURN_IF_ERROR(members.status());
  for (const auto& [name, value] : files->fields()) {
    if (!IsBundleFileName(name)) {
      return absl::DataLossError(absl::StrCat(path, ": ", JsonString(name), " is not a file name"));
    }
    Members file(path, value.struct_value());
    manifest.files[name] = {file.Count("bytes"), file.Checksum("crc32c")};
    PS_RETURN_IF_ERROR(file.status());
  }
  return manifest;
}

}  // namespace ps
