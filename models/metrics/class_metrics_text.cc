// Metrics of classes for people and for programs.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "models/metrics/class_metrics.h"
#include "models/metrics/json_number.h"

namespace ps {
namespace {

constexpr std::size_t kMostConfused = 100;   // classes whose confusions are written
constexpr std::size_t kWholeTable = 10;      // classes whose confusions a page is wide enough for
constexpr std::size_t kMostLines = 30;
constexpr std::size_t kNameColumns = 14;

// A name may be any bytes; a terminal gets letters.
std::string Shown(const std::string& name) {
  std::string shown;
  std::size_t columns = 0;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool begins = (byte & 0xc0) != 0x80;
    if (begins && ++columns > kNameColumns) break;
    shown.push_back(byte < ' ' || byte == 0x7f ? '?' : c);
  }
  return shown;
}

std::size_t Width(const std::string& text) {
  std::size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return width;
}

std::string Right(const std::string& text, std::size_t columns) {
  return std::string(columns - std::min(columns, Width(text)), ' ') + text;
}

std::string Figure(double value) { return std::isnan(value) ? "-" : absl::StrFormat("%.5f", value); }

std::string Count(double value) {
  return value == std::floor(value) ? absl::StrFormat("%.0f", value) : absl::StrFormat("%.2f", value);
}

// "green (20), red (3)".
std::string OftenTakenFor(const ClassMetrics& metrics, const std::vector<std::string>& names, std::size_t of) {
  const std::size_t classes = metrics.classes.size();
  std::vector<std::size_t> order(classes);
  std::iota(order.begin(), order.end(), 0);
  order.erase(order.begin() + static_cast<std::ptrdiff_t>(of));
  const auto weight = [&](std::size_t c) { return metrics.confusion[of * classes + c]; };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return weight(a) > weight(b); });
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, order.size()) && weight(order[i]) > 0; ++i)
    absl::StrAppend(&text, i == 0 ? "" : ", ", Shown(names[order[i]]), " (", Count(weight(order[i])), ")");
  return text;
}

}  // namespace

std::string ConfusionText(const ClassMetrics& metrics, const std::vector<std::string>& names) {
  const std::size_t classes = metrics.classes.size();
  const bool whole = classes <= kWholeTable;
  std::vector<std::size_t> order(classes);
  std::iota(order.begin(), order.end(), 0);
  if (classes > kMostLines) {
    const auto wrong = [&](std::size_t c) { return metrics.classes[c].rows - metrics.confusion[c * classes + c]; };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return wrong(a) > wrong(b); });
    order.resize(kMostLines);
  }
  std::string text = absl::StrCat("  ", Right("class", kNameColumns), "          rows   recall precision      AUC  taken for");
  if (whole) {
    for (const std::string& name : names) absl::StrAppend(&text, " ", Right(Shown(name), 10));
  }
  text += "\n";
  for (const std::size_t c : order) {
    const ClassFigures& of = metrics.classes[c];
    absl::StrAppend(&text, "  ", Right(Shown(names[c]), kNameColumns), " ", Right(Count(of.rows), 13), " ",
                    Right(Figure(of.recall), 8), " ", Right(Figure(of.precision), 9));
    absl::StrAppend(&text, " ", Right(Figure(of.auc), 8), whole ? "           " : "  ");
    if (whole) {
      for (std::size_t other = 0; other < classes; ++other) {
        const std::size_t width = std::max<std::size_t>(10, Width(Shown(names[other])));
        absl::StrAppend(&text, " ", Right(Count(metrics.confusion[c * classes + other]), width));
      }
    } else {
      text += OftenTakenFor(metrics, names, c);
    }
    text += "\n";
  }
  if (order.size() < classes) absl::StrAppend(&text, "  and ", classes - order.size(), " classes with fewer errors\n");
  return text;
}

std::string ClassMetricsJson(const ClassMetrics& m, const std::vector<std::string>& names) {
  std::string out = "{";
  AppendField("logloss", m.logloss, &out);
  AppendField("logloss_stderr", m.logloss_stderr, &out);
  AppendField("error_rate", m.error_rate, &out);
  AppendField("auc_macro", m.auc_macro, &out);
  AppendField("auc_weighted", m.auc_weighted, &out);
  AppendField("rows", m.rows, &out);
  if (m.classes.empty()) return out + "}";  // of the constant prediction
  out += ", \"classes\": [";
  for (std::size_t c = 0; c < m.classes.size(); ++c) {
    std::string of = absl::StrCat("{\"class\": ", names[c]);
    AppendField("rows", m.classes[c].rows, &of);
    AppendField("predicted", m.classes[c].predicted, &of);
    AppendField("recall", m.classes[c].recall, &of);
    AppendField("precision", m.classes[c].precision, &of);
    AppendField("auc", m.classes[c].auc, &of);
    absl::StrAppend(&out, c == 0 ? "" : ", ", of, "}");
  }
  out += "], \"confusion\": ";
  if (m.classes.size() > kMostConfused) return out + "null}";
  for (std::size_t i = 0; i < m.confusion.size(); ++i) {
    const bool begins = i % m.classes.size() == 0;
    absl::StrAppend(&out, i == 0 ? "[[" : begins ? "], [" : ", ");
    AppendJsonNumber(m.confusion[i], &out);
  }
  return out + "]]}";
}

}  // namespace ps
