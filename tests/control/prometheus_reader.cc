#include "tests/control/prometheus_reader.h"

#include <regex>
#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ps {
namespace {

// name{label="value",...} value
bool ReadSample(const std::string& line, PrometheusSample* sample) {
  static const std::regex head("^([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{|\\s)");
  static const std::regex label("^([a-zA-Z_][a-zA-Z0-9_]*)=\"((?:[^\"\\\\\n]|\\\\[\\\\n\"])*)\"");
  std::smatch match;
  if (!std::regex_search(line, match, head)) return false;
  sample->name = match[1];
  std::string rest = line.substr(sample->name.size());
  if (rest[0] == '{') {
    rest.erase(0, 1);
    while (true) {
      if (!std::regex_search(rest, match, label)) return false;
      if (absl::StartsWith(match[1].str(), "__")) return false;
      if (!sample->labels.emplace(match[1], match[2]).second) return false;
      const char next = match.suffix().length() > 0 ? *match.suffix().first : '\0';
      rest = match.suffix().str();
      if (next != ',' && next != '}') return false;
      rest.erase(0, 1);
      if (next == '}') break;
    }
  }
  if (rest.empty() || rest[0] != ' ') return false;
  rest.erase(0, 1);
  if (rest == "NaN" || rest == "+Inf" || rest == "-Inf") return true;
  return std::regex_match(rest, std::regex("-?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?")) &&
         absl::SimpleAtod(rest, &sample->value);
}

}  // namespace

std::optional<PrometheusPage> PrometheusPage::Read(const std::string& text, std::string* error) {
  PrometheusPage page;
  std::set<std::string> closed, helped, seen;
  std::string current;
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  const auto wrong = [&](const std::string& what, const std::string& line) {
    *error = absl::StrCat(what, ": ", line);
    return std::nullopt;
  };
  if (lines.empty() || !lines.back().empty())
    return wrong("no line end at the end", text.substr(0, 80));
  lines.pop_back();
  for (const std::string& line : lines) {
    const std::vector<std::string> words = absl::StrSplit(line, absl::MaxSplits(' ', 3));
    if (words[0] == "#") {
      if (words.size() < 4) return wrong("a short comment", line);
      const std::string& name = words[2];
      if (words[1] == "HELP") {
        if (!helped.insert(name).second) return wrong("a second HELP", line);
        closed.insert(current);
        current = name;
      } else if (words[1] == "TYPE") {
        if (name != current || !page.types_.emplace(name, words[3]).second)
          return wrong("a stray TYPE", line);
        if (words[3] != "counter" && words[3] != "gauge" && words[3] != "histogram") return wrong("an unknown type", line);
        if ((words[3] == "counter") != absl::EndsWith(name, "_total")) {
          return wrong("counters, and only they, end with _total", line);
        }
      } else {
        return wrong("a comment that is neither HELP nor TYPE", line);
      }
      continue;
    }
    PrometheusSample sample;
    if (!ReadSample(line, &sample)) return wrong("not a sample", line);
    const bool histogram = page.types_.count(current) > 0 && page.types_.at(current) == "histogram";
    const std::string part = histogram && absl::StartsWith(sample.name, current) ? sample.name.substr(current.size()) : "";
    const bool fits = histogram ? part == "_bucket" || part == "_sum" || part == "_count" : sample.name == current;
    if (!fits || page.types_.count(current) == 0 || closed.count(current) != 0) {
      return wrong("a sample away from its HELP and TYPE", line);
    }
    if (!seen.insert(line.substr(0, line.rfind(' '))).second) return wrong("a sample twice", line);
    page.samples_.emplace(sample.name, sample);
  }
  return page;
}

std::optional<double> PrometheusPage::Value(
    const std::string& name, const std::map<std::string, std::string>& labels) const {
  for (auto [at, end] = samples_.equal_range(name); at != end; ++at) {
    bool fits = true;
    for (const auto& [label, value] : labels) {
      const auto found = at->second.labels.find(label);
      fits &= found != at->second.labels.end() && found->second == value;
    }
    if (fits) return at->second.value;
  }
  return std::nullopt;
}

std::size_t PrometheusPage::Count(const std::string& name) const { return samples_.count(name); }

}  // namespace ps
