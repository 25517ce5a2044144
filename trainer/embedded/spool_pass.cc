#include "trainer/embedded/spool_pass.h"

#include <thread>
#include <utility>

#include "trainer/first_error.h"
#include "trainer/in_order.h"

namespace ps {

absl::Status SpoolPass(const RowSpool& spool, const std::atomic<bool>& stop,
                       const std::function<absl::Status(const ResolvedBlock&)>& consume) {
  struct Item {
    ResolvedBlock storage;
    const ResolvedBlock* in_memory = nullptr;  // null: the rows are in storage
  };
  FirstError error;
  std::atomic<std::size_t> next{0};
  InOrder<Item> in_order(8, [&](Item& item) {
    if (error.failed()) return;
    absl::Status status = consume(item.in_memory != nullptr ? *item.in_memory : item.storage);
    if (!status.ok()) error.Set(std::move(status));
  });
  const auto work = [&] {
    while (!error.failed() && !stop.load()) {
      const std::size_t number = next.fetch_add(1);
      if (number >= spool.blocks()) return;
      Item item = in_order.Spare();
      const ResolvedBlock* block = nullptr;
      if (absl::Status status = spool.Read(number, &item.storage, &block); !status.ok()) {
        error.Set(std::move(status));
      }
      item.in_memory = block == &item.storage ? nullptr : block;
      in_order.Offer(number, std::move(item));
    }
  };
  std::thread reader(work);  // learning is serial: one thread reads while the other learns
  work();
  reader.join();
  return error.Get();
}

}  // namespace ps
