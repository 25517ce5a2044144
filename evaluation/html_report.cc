#include "evaluation/html_report.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "evaluation/inspection_text.h"
#include "evaluation/metrics_table.h"

namespace ps {
namespace {

constexpr double kSide = 320;  // of a plot, in pixels
constexpr int kCurvePoints = 400;

constexpr char kStyle[] =
    "body{font:15px system-ui,sans-serif;margin:2em auto;max-width:60em;color:#222}"
    "pre{background:#f6f6f6;padding:1em;overflow-x:auto}figure{display:inline-block;margin:1em}"
    "figcaption{text-align:center}.axis{stroke:#999;fill:none}.guide{stroke:#bbb;stroke-dasharray:"
    "4}"
    ".a{stroke:#1661a8;stroke-width:2;fill:none}.b{stroke:#c2410c;stroke-width:2;fill:none}"
    ".bar{fill:#1661a8}text{font-size:11px;fill:#555}";

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

struct Point {
  double x = 0, y = 0;  // both from 0 to 1
};

double PixelX(double x) { return 30 + kSide * x; }
double PixelY(double y) { return 10 + kSide * (1 - y); }

// A frame with 0 and `limit` marked on the vertical axis, and `content` in it.
std::string Figure(const std::string& caption, const std::string& limit,
                   const std::string& content) {
  return absl::StrFormat(
      "<figure><svg width=\"%.0f\" height=\"%.0f\">"
      "<rect class=\"axis\" x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\"/>"
      "<text x=\"2\" y=\"%.0f\">%s</text><text x=\"2\" y=\"%.0f\">0</text>%s</svg>"
      "<figcaption>%s</figcaption></figure>\n",
      kSide + 40, kSide + 20, PixelX(0), PixelY(1), kSide, kSide, PixelY(1) + 10, limit, PixelY(0),
      content, Escaped(caption));
}

std::string Curve(const char* style, const std::vector<Point>& points) {
  std::string out = absl::StrCat("<polyline class=\"", style, "\" points=\"");
  for (const Point& p : points) {
    absl::StrAppendFormat(&out, "%.1f,%.1f ", PixelX(p.x), PixelY(p.y));
  }
  return out + "\"/>";
}

std::string RocFigure(const std::vector<RocPoint>& roc) {
  std::vector<Point> points;
  for (const RocPoint& p : roc) points.push_back({p.false_positive_rate, p.true_positive_rate});
  return Figure("ROC: true against false positive rate", "1",
                Curve("guide", {{0, 0}, {1, 1}}) + Curve("a", points));
}

// Both classes' shares above the threshold, over the share of all rows above it; KS is the largest
// gap.
std::string KsFigure(const std::vector<RocPoint>& roc, double positive_share) {
  std::vector<Point> positives, negatives;
  for (const RocPoint& p : roc) {
    const double rows =
        positive_share * p.true_positive_rate + (1 - positive_share) * p.false_positive_rate;
    positives.push_back({rows, p.true_positive_rate});
    negatives.push_back({rows, p.false_positive_rate});
  }
  return Figure("KS: share of positives (blue) and negatives found, best scores first", "1",
                Curve("a", positives) + Curve("b", negatives));
}

std::string CalibrationFigure(const std::vector<ScoreGroup>& groups) {
  std::vector<Point> points;
  double limit = 0;
  for (const ScoreGroup& group : groups) {
    points.push_back({group.prediction / group.rows, group.positives / group.rows});
    limit = std::max({limit, points.back().x, points.back().y});
  }
  if (limit == 0) limit = 1;
  std::string dots;
  for (Point& p : points) {
    p = {p.x / limit, p.y / limit};
    absl::StrAppendFormat(&dots, "<circle class=\"bar\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>",
                          PixelX(p.x), PixelY(p.y));
  }
  return Figure("Calibration: observed against predicted rate", absl::StrFormat("%.3g", limit),
                Curve("guide", {{0, 0}, {1, 1}}) + Curve("a", points) + dots);
}

std::string LiftFigure(const std::vector<ScoreGroup>& groups, double positive_share) {
  std::vector<double> lifts;
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
    lifts.push_back(positive_share > 0 ? group->positives / group->rows / positive_share : 0);
  }
  const double limit = std::max(1.0, *std::max_element(lifts.begin(), lifts.end()));
  std::string bars;
  const double width = 1.0 / static_cast<double>(lifts.size());
  for (std::size_t i = 0; i < lifts.size(); ++i) {
    const double height = lifts[i] / limit;
    absl::StrAppendFormat(
        &bars, "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
        PixelX(static_cast<double>(i) * width) + 1, PixelY(height), kSide * width - 2,
        kSide * height);
  }
  return Figure("Lift of each twentieth of the rows, best scores first",
                absl::StrFormat("%.3g", limit),
                bars + Curve("guide", {{0, 1 / limit}, {1, 1 / limit}}));
}

std::string Head(const BundleInfo& info, const std::string& data, const std::string& figures) {
  return absl::StrCat("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>",
                      Escaped(info.job_name), ": evaluation</title><style>", kStyle,
                      "</style></head><body>\n<h1>", Escaped(info.job_name), "</h1>\n<p>",
                      Escaped(DescribeLearnt(info)), ", evaluated on ", Escaped(data),
                      "</p>\n<pre>", Escaped(figures), "</pre>\n");
}

constexpr std::size_t kTableClasses = 100;  // whose confusions a page shows

// Rows by label, columns by what they are taken for; the share of the label's rows as its shade.
std::string ConfusionTable(const ClassMetrics& metrics, const std::vector<std::string>& names) {
  const std::size_t classes = names.size();
  std::string out = "<h2>Confusions</h2>\n<table><tr><th>label</th>";
  for (const std::string& name : names) absl::StrAppend(&out, "<th>", Escaped(name), "</th>");
  for (std::size_t label = 0; label < classes; ++label) {
    absl::StrAppend(&out, "</tr>\n<tr><th>", Escaped(names[label]), "</th>");
    const double rows = std::max(1e-300, metrics.classes[label].rows);
    for (std::size_t c = 0; c < classes; ++c) {
      const double weight = metrics.confusion[label * classes + c];
      absl::StrAppendFormat(&out, "<td style=\"background:rgba(22,97,168,%.2f)\">%.10g</td>", 0.6 * weight / rows, weight);
    }
  }
  return out + "</tr></table>\n";
}

}  // namespace

std::string HtmlReport(const BundleInfo& info, const std::string& data, const MetricState& state) {
  const Metrics metrics = state.Finish();
  const double positive_share = metrics.rows > 0 ? metrics.positives / metrics.rows : 0;
  std::string out = Head(info, data, MetricsTable(metrics));
  const std::vector<RocPoint> roc = state.Roc(kCurvePoints);
  if (roc.empty()) {
    out += "<p>All rows are of one class: there is no ranking to show.</p>\n";
  } else {
    out += RocFigure(roc) + KsFigure(roc, positive_share);
  }
  const std::vector<ScoreGroup> groups = state.Groups();
  if (!groups.empty()) {
    out += CalibrationFigure(groups) + LiftFigure(groups, positive_share);
  }
  return out + "</body></html>\n";
}

std::string HtmlClassReport(const BundleInfo& info, const std::string& data, const ClassMetrics& metrics,
                            const std::vector<std::string>& names) {
  std::string out = Head(info, data, ClassMetricsTable(metrics, names));
  if (names.size() <= kTableClasses) out += ConfusionTable(metrics, names);
  return out + "</body></html>\n";
}

}  // namespace ps
