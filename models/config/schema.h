// The one declaration of a job file's keys. The parser, the reference page and the range checks are
// all made from this table, so that they cannot disagree.
//
// Immutable after start-up; any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "models/config/job_config.h"

namespace ps {

enum class ValueType {
  kText,        // any scalar; "env:NAME" is taken from the environment
  kInteger,     // a whole number, or one of the row's words
  kReal,        // a finite number
  kDuration,    // a number and s, m or h: seconds in `real`
  kFlag,        // true or false
  kWord,        // one of the row's words
  kTextList,    // a list of texts; a single text is a list of one
  kColumn,      // a name, or a position from 0
  kColumnList,  // a list of columns
  kChoices,     // a map of dotted keys to lists of values
  kSection,     // a map whose presence means something even when it is empty
};

// A value read from the file, in the member that its type names.
struct Value {
  std::string text;
  std::int64_t integer = 0;  // kInteger; kWord: the number behind the word
  double real = 0;
  bool flag = false;
  std::vector<std::string> texts;
  std::vector<ColumnRef> columns;  // kColumn: exactly one
  std::vector<VariedKey> choices;

  bool operator==(const Value&) const = default;
};

struct Bounds {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_included = true;
  bool max_included = true;
};

constexpr Bounds AtLeast(double min) { return {.min = min}; }
constexpr Bounds Above(double min) { return {.min = min, .min_included = false}; }
constexpr Bounds Between(double min, double max) { return {.min = min, .max = max}; }

struct SchemaRow {
  const char* path;  // dotted; "features[].op" for a key of every entry of a list
  ValueType type;
  const char* default_text;  // as YAML; nullptr: no default, or one that the description gives
  const char* description;   // one line
  void (*set)(JobConfig*, const Value&);  // rows of features[] set the last entry of the list
  Bounds bounds = {};
  std::vector<std::pair<const char*, std::int64_t>> words = {};
  std::vector<const char*> later_words = {};  // named by the design, not in this version
};

const std::vector<SchemaRow>& JobSchema();
// Parts of the schema, in files of their own for their number.
std::vector<SchemaRow> OptimizerRows();   // the section model.optimizer
std::vector<SchemaRow> GbdtRows();        // the section model.gbdt
std::vector<SchemaRow> TuneRows();        // the section tune
std::vector<SchemaRow> ScaleRows();       // the section cluster.scale
std::vector<SchemaRow> CheckpointRows();  // the section checkpoint
std::vector<SchemaRow> KubernetesRows();  // the section kubernetes

const SchemaRow* FindSchemaRow(const std::string& path);  // nullptr: no such leaf
bool IsSchemaSection(const std::string& path);            // some row lies below it

// Keys that the design names and this version does not have. A key covers everything below it.
struct LaterKey {
  const char* path;
  const char* instead;  // what to do now
};
const std::vector<LaterKey>& LaterKeys();
const LaterKey* FindLaterKey(const std::string& path);

// "above 0", "1 to 16, or auto", "ftrl, adagrad or sgd"; empty when everything of the type is
// allowed.
std::string DescribeAllowed(const SchemaRow& row);

// The key nearest to an unknown one, or "": a known key a few edits away, or one of the same last
// word in another section.
std::string NearestKey(const std::string& unknown_path);

}  // namespace ps
