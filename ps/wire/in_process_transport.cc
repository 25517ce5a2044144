#include "ps/wire/in_process_transport.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace ps {
namespace {

// Messages on their way to one transport. Any thread may put, one takes.
class Mailbox {
 public:
  explicit Mailbox(std::size_t capacity) : capacity_(capacity) {}

  // False when the mailbox is full or closed; the message is lost then.
  bool Put(Transport::Inbound inbound) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || waiting_.size() >= capacity_) return false;
      waiting_.push_back(std::move(inbound));
    }
    arrived_.notify_one();
    return true;
  }

  // Moves everything that is there to `taken`, waiting for a first message at most `timeout`.
  void TakeAll(MonotonicTime timeout, std::deque<Transport::Inbound>& taken) {
    std::unique_lock lock(mutex_);
    if (waiting_.empty() && timeout > MonotonicTime::zero()) {
      arrived_.wait_for(lock, timeout, [this] { return !waiting_.empty(); });
    }
    std::swap(waiting_, taken);
  }

  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    waiting_.clear();
  }
  bool closed() {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Transport::Inbound> waiting_;  // protected by mutex_
  bool closed_ = false;                     // protected by mutex_
};

}  // namespace

class InProcessHub::Directory {
 public:
  explicit Directory(std::size_t mailbox_messages) : mailbox_messages_(mailbox_messages) {}

  // Null when the endpoint is taken.
  std::shared_ptr<Mailbox> Add(const std::string& endpoint) {
    const std::lock_guard lock(mutex_);
    const auto [at, added] = mailboxes_.try_emplace(endpoint);
    if (!added) return nullptr;
    at->second = std::make_shared<Mailbox>(mailbox_messages_);
    return at->second;
  }
  std::shared_ptr<Mailbox> Find(const std::string& endpoint) {
    const std::lock_guard lock(mutex_);
    const auto found = mailboxes_.find(endpoint);
    return found == mailboxes_.end() ? nullptr : found->second;
  }
  void Remove(const std::string& endpoint) {
    const std::lock_guard lock(mutex_);
    mailboxes_.erase(endpoint);
  }

 private:
  const std::size_t mailbox_messages_;
  std::mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<Mailbox>> mailboxes_;  // protected by mutex_
};

namespace {

class InProcessTransport : public Transport {
 public:
  InProcessTransport(std::string endpoint, std::shared_ptr<InProcessHub::Directory> directory,
                     std::shared_ptr<Mailbox> mailbox)
      : endpoint_(std::move(endpoint)),
        directory_(std::move(directory)),
        mailbox_(std::move(mailbox)) {}

  ~InProcessTransport() override {
    mailbox_->Close();
    directory_->Remove(endpoint_);
  }

  void Send(const Address& to, Message message) override {
    std::shared_ptr<Mailbox>& peer = peers_[to];
    // A closed mailbox may have been followed by another one of the same name.
    if (peer == nullptr || peer->closed()) peer = directory_->Find(to);
    if (peer != nullptr && peer->Put({endpoint_, std::move(message)})) {
      ++stats_.frames_out;
    } else {
      ++stats_.dropped;
    }
  }

  std::optional<Inbound> Receive(MonotonicTime timeout) override {
    if (taken_.empty()) mailbox_->TakeAll(timeout, taken_);
    if (taken_.empty()) return std::nullopt;
    Inbound inbound = std::move(taken_.front());
    taken_.pop_front();
    ++stats_.frames_in;
    return inbound;
  }

  std::string endpoint() const override { return endpoint_; }
  TransportStats stats() const override { return stats_; }

 private:
  const std::string endpoint_;
  const std::shared_ptr<InProcessHub::Directory> directory_;
  const std::shared_ptr<Mailbox> mailbox_;
  absl::flat_hash_map<Address, std::shared_ptr<Mailbox>> peers_;
  std::deque<Inbound> taken_;
  TransportStats stats_;
};

}  // namespace

InProcessHub::InProcessHub(std::size_t mailbox_messages)
    : directory_(std::make_shared<Directory>(mailbox_messages)) {}

InProcessHub::~InProcessHub() = default;

absl::StatusOr<std::unique_ptr<Transport>> InProcessHub::Open(std::string_view name) {
  std::string endpoint = "inproc://" + std::string(name);
  std::shared_ptr<Mailbox> mailbox = directory_->Add(endpoint);
  if (mailbox == nullptr) {
    return absl::AlreadyExistsError(
        absl::StrCat(endpoint, ": another transport has this endpoint"));
  }
  return std::make_unique<InProcessTransport>(std::move(endpoint), directory_, std::move(mailbox));
}

}  // namespace ps
