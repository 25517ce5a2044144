#include "ps/wire/key_list_cache.h"

#include <gtest/gtest.h>

#include <list>
#include <random>
#include <utility>
#include <vector>

#include "tests/wire/random_keys.h"

namespace ps {
namespace {

SharedKeys Shared(std::vector<Key> keys) {
  return std::make_shared<const std::vector<Key>>(std::move(keys));
}

TEST(KeyListCache, AnswersAPushAfterAPullWithoutKeys) {
  KeyListCache cache(1 << 20);
  const std::vector<Key> keys = {3, 5, 900};
  wire::KeyList list = DescribeKeys(keys);
  list.set_cached(true);
  EXPECT_EQ(cache.Resolve(list, "").status().code(), absl::StatusCode::kNotFound);
  list.set_cached(false);
  const SharedKeys sent = cache.Resolve(list, EncodeKeys(keys)).value();
  EXPECT_EQ(*sent, keys);
  list.set_cached(true);
  EXPECT_EQ(cache.Resolve(list, "").value(), sent);
}

TEST(KeyListCache, RefusesAWrongSignatureCountOrSection) {
  KeyListCache cache(1 << 20);
  const std::vector<Key> keys = {3, 5, 900};
  const std::string section = EncodeKeys(keys);
  wire::KeyList list = DescribeKeys(keys);
  list.set_signature_high(list.signature_high() ^ 1);
  EXPECT_EQ(cache.Resolve(list, section).status().code(), absl::StatusCode::kInvalidArgument);
  list = DescribeKeys(keys);
  EXPECT_FALSE(cache.Resolve(list, EncodeKeys({3, 5, 901})).ok());
  list.set_count(4);
  EXPECT_FALSE(cache.Resolve(list, section).ok());
  EXPECT_EQ(cache.lists(), 0);  // nothing wrong was kept
  list.set_count(3);
  EXPECT_TRUE(cache.Resolve(list, section).ok());
  list.set_cached(true);
  list.set_count(2);
  EXPECT_EQ(cache.Resolve(list, "").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(KeyListCache, KeepsListsThatAreInUse) {
  KeyListCache cache(8 * 100 + 200);
  std::mt19937_64 random(1);
  const std::vector<Key> keys = RandomKeys(random, 100);
  const SharedKeys held = cache.Resolve(DescribeKeys(keys), EncodeKeys(keys)).value();
  const std::vector<Key> others = RandomKeys(random, 100);
  ASSERT_TRUE(cache.Resolve(DescribeKeys(others), EncodeKeys(others)).ok());
  EXPECT_EQ(cache.Find(SignatureOf(keys)), nullptr);
  EXPECT_EQ(*held, keys);
}

TEST(KeyListCache, DoesNotKeepWhatIsLargerThanItself) {
  KeyListCache cache(1000);
  std::mt19937_64 random(1);
  cache.Insert({1, 1}, Shared(RandomKeys(random, 50)));
  cache.Insert({2, 2}, Shared(RandomKeys(random, 2000)));
  EXPECT_EQ(cache.Find({2, 2}), nullptr);
  EXPECT_NE(cache.Find({1, 1}), nullptr);
}

// Against a list that is searched from end to end.
TEST(KeyListCache, IsLeastRecentlyUsedByBytes) {
  constexpr std::size_t kCapacity = 20000;
  KeyListCache cache(kCapacity);
  std::list<std::pair<std::uint64_t, SharedKeys>> model;  // most recent first
  const auto bytes_of = [](const SharedKeys& keys) { return keys->capacity() * 8 + 128; };
  std::mt19937_64 random(5);
  for (int step = 0; step < 50000; ++step) {
    const std::uint64_t id = random() % 60;
    auto found = std::find_if(model.begin(), model.end(), [&](auto& at) { return at.first == id; });
    if (random() % 2 == 0) {
      const SharedKeys keys = cache.Find({id, ~id});
      ASSERT_EQ(keys, found == model.end() ? nullptr : found->second);
      if (found != model.end()) model.splice(model.begin(), model, found);
    } else {
      const SharedKeys keys = Shared(RandomKeys(random, 1 + random() % 200));
      cache.Insert({id, ~id}, keys);
      if (found != model.end()) {  // it is there already: the same keys, just used
        model.splice(model.begin(), model, found);
      } else {
        model.emplace_front(id, keys);
      }
      const auto total = [&] {
        std::size_t bytes = 0;
        for (const auto& [unused, list] : model) bytes += bytes_of(list);
        return bytes;
      };
      while (total() > kCapacity) model.pop_back();
      ASSERT_EQ(cache.bytes(), total());
      ASSERT_LE(cache.bytes(), kCapacity);
    }
    ASSERT_EQ(cache.lists(), model.size());
  }
}

}  // namespace
}  // namespace ps
