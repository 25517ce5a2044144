#include "evaluation/explained_rows.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace ps {
namespace {

void AppendNumber(double number, std::string* text) {
  char digits[32];
  const auto rounded = static_cast<float>(number);
  char* const end = std::isfinite(rounded)
                        ? std::to_chars(digits, digits + sizeof(digits), rounded).ptr
                        : std::to_chars(digits, digits + sizeof(digits), number).ptr;
  text->append(digits, end);
}

void AppendCell(double number, std::string* text) {
  text->push_back(',');
  AppendNumber(number, text);
}

void AppendMember(const char* name, double number, std::string* text) {
  absl::StrAppend(text, ", \"", name, "\": ");
  AppendNumber(number, text);
}

}  // namespace

void RowWriter::Append(float label, std::vector<ExplainedMargin>* margins,
                       ExplainedRows* to) const {
  std::string& text = to->text;
  const auto class_of = [&](std::size_t number) -> const std::string& { return classes_[number]; };
  if (!json_) {
    for (std::size_t m = 0; m < margins->size(); ++m) {
      const ExplainedMargin& margin = (*margins)[m];
      if (classes_.empty()) {
        AppendCell(label, &text);
      } else {
        absl::StrAppend(&text, ",", class_of(static_cast<std::size_t>(label)), ",", class_of(m));
      }
      AppendCell(margin.margin, &text);
      AppendCell(margin.base, &text);
      for (const Contribution& one : margin.contributions) AppendCell(one.value, &text);
      text.push_back('\n');
      to->end.push_back(text.size());
    }
    return;
  }
  if (classes_.empty()) {
    AppendMember("label", label, &text);
    AppendMargin(&margins->front(), &text);
  } else {
    absl::StrAppend(&text, ", \"label\": ", class_of(static_cast<std::size_t>(label)),
                    ", \"classes\": {");
    for (std::size_t m = 0; m < margins->size(); ++m) {
      absl::StrAppend(&text, m > 0 ? ", " : "", class_of(m), ": {");
      std::string of_class;
      AppendMargin(&(*margins)[m], &of_class);
      absl::StrAppend(&text, of_class.substr(2), "}");  // without the comma before
    }
    text.push_back('}');
  }
  text.append("}\n");
  to->end.push_back(text.size());
}

void RowWriter::AppendMargin(ExplainedMargin* margin, std::string* text) const {
  std::vector<Contribution>& contributions = margin->contributions;
  std::erase_if(contributions, [](const Contribution& one) { return one.value == 0; });
  std::stable_sort(contributions.begin(), contributions.end(),
                   [](const Contribution& a, const Contribution& b) {
                     return std::fabs(a.value) > std::fabs(b.value);
                   });
  AppendMember("margin", margin->margin, text);
  AppendMember("base", margin->base, text);
  text->append(", \"contributions\": {");
  double others = 0;
  for (std::size_t i = 0; i < contributions.size(); ++i) {
    const Contribution& one = contributions[i];
    if (top_ != 0 && i >= top_) {
      others += one.value;
      continue;
    }
    if (i > 0) text->append(", ");
    name_(one, text);
    text->append(": ");
    AppendNumber(one.value, text);
  }
  text->push_back('}');
  if (top_ != 0) AppendMember("others", others, text);
}

std::string RowWriter::Number(const ExplainedRows& rows, std::uint64_t row) const {
  std::string text;
  const std::size_t lines = json_ || classes_.empty() ? 1 : classes_.size();  // of a row
  std::size_t begin = 0;
  for (std::size_t line = 0; line < rows.end.size(); ++line) {
    absl::StrAppend(&text, json_ ? "{\"row\": " : "", row + line / lines);
    text.append(rows.text, begin, rows.end[line] - begin);
    begin = rows.end[line];
  }
  return text;
}

}  // namespace ps
