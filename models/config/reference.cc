#include "models/config/reference.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "models/config/schema.h"

namespace ps {
namespace {

constexpr char kIntroduction[] = R"(# Job file reference

Generated from `models/config/schema.cc` by `ps_config_reference`; do not edit.

A job file is one YAML document, at most 1 MiB, without tags and aliases. It is read strictly: an
unknown key, a key given twice, a wrong type or an impossible value stops the job before any work,
with exit code 2 and a list of everything that is wrong, each with file and line. A key that is right
but has no effect as the job runs (`train.staleness: 4` in one process) is named in a note on standard error.

- `--set a.b=c` replaces the value at `a.b`; `c` is read as YAML, as in `--set train.passes=3` or
  `--set data.train.files=[a.gz,b.gz]`. Items of a list are reached by number from 0:
  `--set features.0.buckets=64`.
- A **text** written `env:NAME` is taken from the environment variable `NAME` when the job starts.
  Copies of the configuration (in the model, and sent to workers) keep it as written.
- A **column** is a name, or its position counted from 0. A quoted number is a name.
- Paths of files are relative to the directory in which the program is started.
- A split part and a file part of the same name exclude each other.
)";

struct Section {
  const char* prefix;  // of the paths of its rows
  const char* title;
};

// A row belongs to the last section whose prefix it has.
constexpr Section kSections[] = {
    {"", "The job"},       {"data.", "data"},   {"features[].", "features (a list)"},
    {"model.", "model"},   {"model.gbdt.", "model.gbdt (for type: gbdt)"}, {"tune", "tune"}, {"train.", "train"}, {"cluster.", "cluster (left out: embedded)"},
    {"output.", "output"},
};

const Section* SectionOf(const SchemaRow& row) {
  const Section* found = nullptr;
  for (const Section& section : kSections) {
    if (absl::StartsWith(row.path, section.prefix)) found = &section;
  }
  return found;
}

std::string TypeName(ValueType type) {
  switch (type) {
    case ValueType::kText:
      return "text";
    case ValueType::kInteger:
      return "whole number";
    case ValueType::kReal:
      return "number";
    case ValueType::kDuration:
      return "duration";
    case ValueType::kFlag:
      return "true or false";
    case ValueType::kWord:
      return "word";
    case ValueType::kTextList:
      return "list of texts";
    case ValueType::kColumn:
      return "column";
    case ValueType::kColumnList:
      return "list of columns";
    case ValueType::kChoices:
      return "keys, each with a list of values";
    case ValueType::kSection:
      return "section";
  }
  return "";
}

std::string Cell(const std::string& text) { return absl::StrReplaceAll(text, {{"|", "\\|"}}); }

std::string RowLine(const SchemaRow& row) {
  const std::string allowed = DescribeAllowed(row);
  const std::string standard = row.default_text == nullptr ? "" : row.default_text;
  return absl::StrCat("| `", row.path, "` | ", TypeName(row.type),
                      allowed.empty() ? "" : absl::StrCat(": ", Cell(allowed)), " | ",
                      standard.empty() ? "" : absl::StrCat("`", standard, "`"), " | ",
                      Cell(row.description), " |\n");
}

}  // namespace

std::string JobReference() {
  std::string page = kIntroduction;
  for (const Section& section : kSections) {
    absl::StrAppend(&page, "\n## ", section.title,
                    "\n\n| key | type and range | default | meaning |\n|---|---|---|---|\n");
    for (const SchemaRow& row : JobSchema()) {
      if (SectionOf(row) == &section) page += RowLine(row);
    }
  }
  page += "\n## Not in this version\n\nThese keys are known and refused.\n\n";
  page += "| key | instead |\n|---|---|\n";
  for (const LaterKey& key : LaterKeys()) {
    absl::StrAppend(&page, "| `", key.path, "` | ", key.instead, " |\n");
  }
  return page;
}

}  // namespace ps
