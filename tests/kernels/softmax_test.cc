// Gradients of a softmax against doubles, and vector code against plain code bit by bit.
#include "kernels/softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace ps {
namespace {

constexpr std::size_t kRows = 203, kStride = 210;  // no multiple of eight

struct Rows {
  std::vector<float> margins, labels, weights, largest, inverse;

  Rows(std::size_t classes, double spread, unsigned seed)
      : margins(classes * kStride), labels(kRows), weights(kRows), largest(kRows), inverse(kRows) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (float& margin : margins) margin = static_cast<float>(spread) * normal(random);
    for (float& label : labels) label = static_cast<float>(random() % classes);
    for (float& weight : weights) weight = static_cast<float>(random() % 5) / 2;
  }
};

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(Softmax, GradientsAreThoseOfDoubles) {
  for (const std::size_t classes : {2u, 3u, 10u, 100u}) {
    for (const double spread : {0.0, 1.0, 8.0, 60.0}) {
      Rows rows(classes, spread, static_cast<unsigned>(classes));
      FindSoftmaxNorms(rows.margins.data(), kStride, classes, kRows, rows.largest.data(), rows.inverse.data());
      for (std::size_t c = 0; c < classes; c += 1 + classes / 7) {
        std::vector<float> gradient(kRows), hessian(kRows);
        const SoftmaxClass of{rows.margins.data() + c * kStride, rows.largest.data(), rows.inverse.data(),
                              static_cast<float>(c)};
        SoftmaxGradients(of, rows.labels.data(), rows.weights.data(), kRows, gradient.data(), hessian.data());
        for (std::size_t r = 0; r < kRows; ++r) {
          double sum = 0;
          for (std::size_t k = 0; k < classes; ++k)
            sum += std::exp(double{rows.margins[k * kStride + r]} - rows.margins[c * kStride + r]);
          const double p = 1 / sum, y = rows.labels[r] == static_cast<float>(c) ? 1 : 0, w = rows.weights[r];
          EXPECT_NEAR(gradient[r], w * (p - y), 3e-6) << classes << " classes, spread " << spread;
          EXPECT_NEAR(hessian[r], 2 * w * p * (1 - p), 6e-6);
          EXPECT_LE(std::fabs(gradient[r]), w);
          EXPECT_GE(hessian[r], 0);
          EXPECT_LE(hessian[r], 0.5 * w);
        }
      }
    }
  }
}

TEST(Softmax, VectorAndPlainCodeGiveTheSameBits) {
  for (const std::size_t classes : {2u, 5u, 33u}) {
    for (const double spread : {1.0, 200.0}) {
      Rows fast(classes, spread, 7), plain(classes, spread, 7);
      FindSoftmaxNorms(fast.margins.data(), kStride, classes, kRows, fast.largest.data(), fast.inverse.data());
      FindSoftmaxNormsPlain(plain.margins.data(), kStride, classes, kRows, plain.largest.data(), plain.inverse.data());
      EXPECT_TRUE(SameBits(fast.largest, plain.largest));
      EXPECT_TRUE(SameBits(fast.inverse, plain.inverse));
      for (const float* weights : {static_cast<const float*>(nullptr), static_cast<const float*>(fast.weights.data())}) {
        std::vector<float> g(kRows), h(kRows), g_plain(kRows), h_plain(kRows);
        const SoftmaxClass of{fast.margins.data() + kStride, fast.largest.data(), fast.inverse.data(), 1};
        SoftmaxGradients(of, fast.labels.data(), weights, kRows, g.data(), h.data());
        SoftmaxGradientsPlain(of, fast.labels.data(), weights, kRows, g_plain.data(), h_plain.data());
        EXPECT_TRUE(SameBits(g, g_plain));
        EXPECT_TRUE(SameBits(h, h_plain));
      }
    }
  }
}

}  // namespace
}  // namespace ps
