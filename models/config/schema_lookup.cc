#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "models/config/schema.h"

namespace ps {
namespace {

// Insertions, deletions, replacements and swaps of neighbours, each counting one.
std::size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      cost[i][j] = std::min(
          {cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

std::string LastWord(const std::string& path) { return path.substr(path.rfind('.') + 1); }

// Every key a person may write: the leaves and the sections above them.
std::vector<std::string> KnownKeys() {
  std::vector<std::string> keys;
  for (const SchemaRow& row : JobSchema()) {
    const std::string path = row.path;
    for (std::size_t end = path.find('.'); end != std::string::npos;
         end = path.find('.', end + 1)) {
      std::string section = path.substr(0, end);
      if (absl::EndsWith(section, "[]")) section.resize(section.size() - 2);
      keys.push_back(section);
    }
    keys.push_back(path);
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

std::string DescribeBounds(const Bounds& bounds) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (bounds.min == -kInfinity) return "";
  if (bounds.max == kInfinity) {
    return absl::StrFormat("%s %.16g", bounds.min_included ? "at least" : "above", bounds.min);
  }
  if (bounds.min_included && bounds.max_included) {
    return absl::StrFormat("%.16g to %.16g", bounds.min, bounds.max);
  }
  return absl::StrFormat("%s %.16g and %s %.16g", bounds.min_included ? "at least" : "above",
                         bounds.min, bounds.max_included ? "at most" : "below", bounds.max);
}

}  // namespace

const SchemaRow* FindSchemaRow(const std::string& path) {
  for (const SchemaRow& row : JobSchema()) {
    if (path == row.path) return &row;
  }
  return nullptr;
}

bool IsSchemaSection(const std::string& path) {
  for (const SchemaRow& row : JobSchema()) {
    if (absl::StartsWith(row.path, path + ".")) return true;
  }
  return false;
}

const LaterKey* FindLaterKey(const std::string& path) {
  for (const LaterKey& key : LaterKeys()) {
    if (path == key.path) return &key;
  }
  return nullptr;
}

std::string DescribeAllowed(const SchemaRow& row) {
  std::vector<std::string> words;
  for (const auto& [word, number] : row.words) words.push_back(word);
  std::string text = DescribeBounds(row.bounds);
  if (words.empty()) return text;
  const std::string last = words.back();
  words.pop_back();
  if (!text.empty()) words.insert(words.begin(), text);
  if (words.empty()) return last;
  return absl::StrCat(absl::StrJoin(words, ", "), text.empty() ? " or " : ", or ", last);
}

std::string NearestKey(const std::string& unknown_path) {
  const std::string word = LastWord(unknown_path);
  if (word.size() > 64) return "";  // no key is near, and the search is quadratic
  const std::string section = unknown_path.substr(0, unknown_path.size() - word.size());
  std::string best;
  std::size_t best_distance = std::clamp<std::size_t>(word.size() / 3, 1, 3) + 1;  // too far
  for (const std::string& key : KnownKeys()) {
    // A slip inside the right section, or the right word (nearly) in the wrong section, which
    // counts as one more slip.
    const std::string key_word = LastWord(key);
    const bool same_section = key.substr(0, key.size() - key_word.size()) == section;
    const std::size_t distance = EditDistance(word, key_word) + (same_section ? 0 : 1);
    if (distance < best_distance) {
      best_distance = distance;
      best = key;
    }
  }
  return best;
}

}  // namespace ps
