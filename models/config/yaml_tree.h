// A YAML document as a tree that remembers where everything was written.
//
// yaml-cpp reads the text; this tree adds what a strict reader needs: the line of every key, every
// duplicate key, and whether a scalar was quoted. Only yaml_tree.cc sees yaml-cpp and its
// exceptions. Plain data; the functions are pure and may be called from any thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace ps {

// Where a node was written: a line of the file (from 1), or an override of the command line.
struct Place {
  int line = 0;
  int override_index = -1;  // >= 0: overrides[override_index], and line means nothing
};

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };

  Kind kind = Kind::kNull;
  Place place;
  std::string text;                // kScalar
  bool quoted = false;             // kScalar: a quoted text is never a number or a word
  std::vector<YamlNode> items;     // kSequence
  std::vector<YamlEntry> entries;  // kMap, in the order of the file, duplicates included

  const YamlNode* Find(const std::string& key) const;  // nullptr when absent or not a map
  YamlNode* Find(const std::string& key);
};

struct YamlEntry {
  std::string key;
  Place place;
  YamlNode value;
};

// Reads one document. InvalidArgument with "<name>:<line>: what is wrong" for text that is not
// YAML, for a second document, for aliases and for tags (neither of which a job file needs). An
// empty document is a null node. At most 1 MiB.
absl::StatusOr<YamlNode> ParseYaml(const std::string& text, const std::string& name);

// Block style, two spaces, sequences of scalars on one line; parses back to the same tree but for
// places. The node must be a map or a sequence.
std::string WriteYaml(const YamlNode& node);

// The same on one line; any node.
std::string WriteFlow(const YamlNode& node);

// One scalar as it has to be written so that it reads back the same.
std::string WriteScalar(const YamlNode& scalar);

}  // namespace ps
