#include "ps/checkpoint/checkpoint_writer.h"

#include <algorithm>
#include <utility>

namespace ps {

ThreadedCheckpointWriter::ThreadedCheckpointWriter(std::shared_ptr<CheckpointStorage> storage,
                                                   std::size_t queue_bytes)
    : storage_(std::move(storage)), queue_bytes_(queue_bytes), thread_([this] { Run(); }) {}

ThreadedCheckpointWriter::~ThreadedCheckpointWriter() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void ThreadedCheckpointWriter::Put(Task task, bool abandon) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (abandon) {
      tasks_.clear();
      events_.clear();
      waiting_bytes_ = 0;
    }
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void ThreadedCheckpointWriter::Begin(const SlotFileHeader& header) {
  Put({.kind = Kind::kBegin, .header = header}, true);
}

void ThreadedCheckpointWriter::Finish() { Put({.kind = Kind::kFinish}, false); }

void ThreadedCheckpointWriter::Abort() { Put({.kind = Kind::kAbort}, true); }

bool ThreadedCheckpointWriter::Submit(SlotIndex slot, const SlotVersion& version,
                                      std::string&& image) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (waiting_bytes_ > 0 && waiting_bytes_ + image.size() > queue_bytes_) return false;
    waiting_bytes_ += image.size();
    tasks_.push_back(
        {.kind = Kind::kSlot, .slot = slot, .version = version, .image = std::move(image)});
  }
  wake_.notify_one();
  return true;
}

std::optional<CheckpointWriter::Event> ThreadedCheckpointWriter::Poll() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void ThreadedCheckpointWriter::Run() {
  for (;;) {
    Task task;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (stopping_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    Do(task);
    const std::lock_guard<std::mutex> lock(mutex_);
    // Abandoning sets it to zero while a slot is being written.
    waiting_bytes_ -= std::min(waiting_bytes_, task.image.size());
  }
}

void ThreadedCheckpointWriter::Do(Task& task) {
  Event event{.checkpoint = checkpoint_};
  switch (task.kind) {
    case Kind::kAbort:
      file_.reset();
      return;
    case Kind::kBegin: {
      file_.reset();
      event.checkpoint = checkpoint_ = task.header.checkpoint;
      auto file = SlotFileWriter::Create(*storage_, task.header);
      event.status = file.status();
      if (file.ok()) file_ = *std::move(file);
      break;
    }
    case Kind::kSlot:
      if (file_ == nullptr) return;  // failed before
      event.status = file_->Add(task.slot, task.version, task.image);
      break;
    case Kind::kFinish: {
      if (file_ == nullptr) return;
      absl::StatusOr<SlotFileInfo> info = file_->Finish();
      event.status = info.status();
      if (info.ok()) event.file = *std::move(info);
      file_.reset();
      break;
    }
  }
  if (event.status.ok() && task.kind != Kind::kFinish) return;
  file_.reset();
  const std::lock_guard<std::mutex> lock(mutex_);
  // What Begin or Abort has abandoned meanwhile has no event.
  for (const Task& next : tasks_) {
    if (next.kind == Kind::kBegin || next.kind == Kind::kAbort) return;
  }
  events_.push_back(std::move(event));
}

}  // namespace ps
