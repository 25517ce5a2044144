#include "trainer/search/trial_order.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <set>

namespace ps {
namespace {

using Point = SearchSpace::Point;

constexpr std::size_t kTriedFirst = 4;       // before neighbours of the best are
constexpr int kDraws = 200;                  // until points are looked through in order
constexpr double kMostLookedThrough = 1e6;   // points

// A draw below `count`: std::uniform_int_distribution differs between libraries.
int Below(int count, std::mt19937_64* random) { return static_cast<int>((*random)() % static_cast<std::uint64_t>(count)); }

// The next in order; false after the last.
bool Advance(const SearchSpace& space, Point* point) {
  for (int key = 0; key < space.keys(); ++key) {
    if (++(*point)[key] < space.values(key)) return true;
    (*point)[key] = 0;
  }
  return false;
}

std::optional<Point> RandomPoint(const SearchSpace& space, const std::set<Point>& seen, std::mt19937_64* random) {
  Point point(space.keys());
  for (int draw = 0; draw < kDraws; ++draw) {
    for (int key = 0; key < space.keys(); ++key) point[key] = Below(space.values(key), random);
    const Point canonical = space.Canonical(point);
    if (!seen.contains(canonical)) return canonical;
  }
  if (space.points() > kMostLookedThrough) return std::nullopt;
  std::fill(point.begin(), point.end(), 0);
  do {
    const Point canonical = space.Canonical(point);
    if (!seen.contains(canonical)) return canonical;
  } while (Advance(space, &point));
  return std::nullopt;
}

std::optional<Point> Neighbour(const SearchSpace& space, const Point& of, const std::set<Point>& seen,
                               std::mt19937_64* random) {
  std::vector<Point> adjacent, others;
  for (int key = 0; key < space.keys(); ++key) {
    for (int value = 0; value < space.values(key); ++value) {
      Point point = of;
      point[key] = value;
      point = space.Canonical(point);
      if (seen.contains(point)) continue;
      (std::abs(value - of[key]) == 1 ? adjacent : others).push_back(point);
    }
  }
  const std::vector<Point>& from = adjacent.empty() ? others : adjacent;
  if (from.empty()) return std::nullopt;
  return from[Below(static_cast<int>(from.size()), random)];
}

}  // namespace

std::optional<Point> NextPoint(const SearchSpace& space, std::uint64_t seed, const std::vector<TriedPoint>& tried) {
  if (tried.empty()) return space.Canonical(Point(space.keys(), 0));
  std::seed_seq words{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                      static_cast<std::uint32_t>(tried.size())};
  std::mt19937_64 random(words);
  std::set<Point> seen;
  for (const TriedPoint& one : tried) seen.insert(one.point);
  if (tried.size() >= kTriedFirst && tried.size() % 2 == 0) {
    std::vector<TriedPoint> best = tried;
    std::stable_sort(best.begin(), best.end(), [](const TriedPoint& a, const TriedPoint& b) { return a.loss < b.loss; });
    for (const TriedPoint& one : best) {
      if (!std::isfinite(one.loss)) break;
      if (std::optional<Point> point = Neighbour(space, one.point, seen, &random)) return point;
    }
  }
  return RandomPoint(space, seen, &random);
}

std::uint64_t CountJobs(const SearchSpace& space, std::uint64_t most) {
  if (space.points() > kMostLookedThrough) return most;
  std::uint64_t jobs = 0;
  Point point(space.keys(), 0);
  do {
    jobs += space.Canonical(point) == point;
  } while (jobs < most && Advance(space, &point));
  return jobs;
}

}  // namespace ps
