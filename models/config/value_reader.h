// One scalar or list of the file to the typed value that its schema row asks for.
//
// Pure but for the environment, which "env:NAME" reads; any thread.
#pragma once

#include <string>

#include "models/config/config_errors.h"
#include "models/config/schema.h"
#include "models/config/yaml_tree.h"

namespace ps {

// Adds errors that start with `shown_path` and returns false when the node is not such a value.
bool ReadValue(const SchemaRow& row, const YamlNode& node, const std::string& shown_path,
               ConfigErrors* errors, Value* value);

// The default of a row, read from its text. False: the row has none.
bool ReadDefault(const SchemaRow& row, Value* value);

}  // namespace ps
