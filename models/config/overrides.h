// Changes to a job's tree before it is checked: the command line's overrides, and data.train's
// format keys moved to where they live.
//
// Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "models/config/config_errors.h"
#include "models/config/yaml_tree.h"

namespace ps {

// Applies "a.b=c" strings in order; "tune.search.vary.a.b=[c, d]" is the list of the key a.b there. Errors carry the
// override they stand in.
void ApplyOverrides(const std::vector<std::string>& overrides, YamlNode* root,
                    ConfigErrors* errors);

// A job may say its format beside its files: data.train: {files: [...], format: tsv, header:
// false}. All parts of a job share one format in this version, so format, header and index_base of
// a part become those of `data`; two different values are an error, unless the later one is an
// override. Called for the file alone and again after the overrides, which may use either place.
void HoistPartFormats(YamlNode* root, ConfigErrors* errors);

}  // namespace ps
