#include "scheduler/pass_books.h"

#include "absl/strings/str_cat.h"

namespace ps {

void PassBooks::Save(std::uint32_t first_pass, scheduler::State* state) const {
  for (auto at = books_.lower_bound(first_pass); at != books_.end(); ++at) {
    const PassReport& report = at->second.report;
    scheduler::State::Book& book = *state->add_books();
    book.set_pass(at->first);
    book.set_lines(report.counts.lines);
    book.set_rows(report.counts.rows);
    book.set_learnt(report.counts.learnt);
    book.set_held_out(report.counts.held_out);
    book.set_dropped(report.counts.dropped);
    book.set_bad(report.counts.bad);
    book.set_progressive(report.progressive.Serialize());
    book.mutable_counted()->Add(at->second.counted.begin(), at->second.counted.end());
  }
}

absl::Status PassBooks::Load(const scheduler::State& state) {
  books_.clear();
  finished_ = state.passes_done();
  for (const scheduler::State::Book& saved : state.books()) {
    if (saved.pass() >= finished_ && saved.counted_size() != static_cast<int>(chunks_)) {
      return absl::DataLossError(absl::StrCat("pass ", saved.pass(), " has ", saved.counted_size(),
                                              " chunks, not ", chunks_));
    }
    Book& book = BookOf(saved.pass());
    if (saved.pass() >= finished_) book.counted.assign(saved.counted().begin(), saved.counted().end());
    book.report.pass = saved.pass();
    PassCounts& counts = book.report.counts;
    counts.lines = saved.lines();
    counts.rows = saved.rows();
    counts.learnt = saved.learnt();
    counts.held_out = saved.held_out();
    counts.dropped = saved.dropped();
    counts.bad = saved.bad();
    if (!book.report.progressive.Parse(saved.progressive())) {
      return absl::DataLossError(absl::StrCat("metrics of pass ", saved.pass(), " are malformed"));
    }
  }
  return absl::OkStatus();
}

}  // namespace ps
