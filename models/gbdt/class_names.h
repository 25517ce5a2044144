// Names of the classes that labels are told apart by: their order, which is that of their numbers. Pure
// functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "models/config/job_config.h"

namespace ps {

using TextCounts = absl::flat_hash_map<std::string, std::uint64_t>;
using ClassNumbers = absl::flat_hash_map<std::string, std::uint32_t>;

// By their numbers where all are numbers, else by their bytes.
std::vector<std::string> OrderClasses(const TextCounts& found);
// What classes are called that have numbers only: 0, 1, ...
std::vector<std::string> NumberedClasses(std::size_t count);
ClassNumbers NumberClasses(const std::vector<std::string>& names);
// InvalidArgument for people: fewer than two, or too many to be classes.
absl::Status CheckClasses(const TextCounts& found);

// The name of a class of libsvm text: "-3". False: the label is no whole number of at most 2^24.
bool ClassOfNumber(float label, std::string* name);

// What is wrong with a label that is none of the classes.
std::string NoClass(std::string_view label);

// "3: red, green, blue", of many the first ones.
std::string DescribeClasses(const std::vector<std::string>& names);

}  // namespace ps
