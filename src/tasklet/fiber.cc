#include "tasklet/fiber.h"

#include <cxxabi.h>

#include <algorithm>
#include <boost/context/preallocated.hpp>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "base/log.h"
#include "base/strings.h"

namespace ndb::detail {
namespace {

thread_local Fiber* running = nullptr;

// How many stacks a thread keeps for reuse: as many as map() runs tasklets at a time.
constexpr std::size_t kPooled = kMapWidth;

// A stack allocator for a stack that somebody else owns.
struct BorrowedStack {
  boost::context::stack_context allocate() { std::abort(); }
  void deallocate(boost::context::stack_context&) noexcept {}
};

}  // namespace

void ExceptionState::swap_with_thread() {
  // The layout is fixed by the Itanium C++ ABI.
  ExceptionState of_thread;
  abi::__cxa_eh_globals* globals = abi::__cxa_get_globals();
  std::memcpy(static_cast<void*>(&of_thread), globals, sizeof of_thread);
  std::memcpy(static_cast<void*>(globals), this, sizeof of_thread);
  *this = of_thread;
}

Fiber* Fiber::current() { return running; }

Fiber::Fiber() : switch_(stack_) {
  boost::context::stack_context memory;
  memory.sp = stack_.top();
  memory.size = Stack::size();
  self_.context =
      boost::context::fiber(std::allocator_arg, boost::context::preallocated(memory.sp, memory.size, memory),
                            BorrowedStack(), [this](boost::context::fiber&& main) { return run(std::move(main)); });
}

Fiber::~Fiber() {
  resume();  // without a job it returns for good
}

void Fiber::assign(std::shared_ptr<Job> job, TaskletLocals locals) {
  job->fiber_ = this;
  job_ = std::move(job);
  locals_ = std::move(locals);
  busy_ = true;
}

void Fiber::resume() {
  Fiber* const outer = std::exchange(running, this);  // not null if a fiber calls exit(), which ends the loop
  std::swap(tasklet_locals(), locals_);
  exceptions_.swap_with_thread();
  switch_.before_entering();
  self_.context = std::move(self_.context).resume();
  switch_.after_return();
  exceptions_.swap_with_thread();
  std::swap(tasklet_locals(), locals_);
  running = outer;
}

boost::context::fiber Fiber::run(boost::context::fiber&& main) {
  switch_.after_entering();
  main_ = std::move(main);
  while (job_ != nullptr) {
    job_->run();
    job_->fiber_ = nullptr;
    job_.reset();  // destroys the result if nobody holds it
    tasklet_locals() = {};
    busy_ = false;
    switch_.before_leaving();
    main_ = std::move(main_).resume();
    switch_.after_entering();
  }
  switch_.before_leaving_for_ever();
  main_ = std::move(main_).resume();
  std::abort();
}

bool Fiber::park(const FutureCore* future, bool joining, std::uint64_t ticket) {
  waits_for_ = future;
  joining_ = joining;
  ticket_ = ticket;
  parked_ = true;
  switch_.before_leaving();
  main_ = std::move(main_).resume();
  switch_.after_entering();
  waits_for_ = nullptr;
  joining_ = false;
  return !std::exchange(interrupted_, false);
}

void Fiber::wake() {
  if (!std::exchange(parked_, false)) return;
  EventLoop::current().fibers().make_ready(*this);
}

void Fiber::interrupt() {
  if (!parked_) return;
  interrupted_ = true;
  wake();
}

Fibers::~Fibers() {
  std::size_t left = 0;
  for (auto& fiber : all_) {
    if (!fiber->busy()) continue;
    if (fiber.get() != Fiber::current()) ++left;
    [[maybe_unused]] const Fiber* const abandoned =
        fiber.release();  // neither its stack nor what that refers to is used again
  }
  if (left > 0) {
    log(Severity::kError, cat(left,
                              " tasklets of a thread that has ended were abandoned: they wait for one another in "
                              "destructors"));
  }
}

void Fibers::spawn(std::shared_ptr<Job> job) {
  if (ending_) {
    job->abandon(cancelled_tasklet());
    return;
  }
  pending_.push_back({std::move(job), tasklet_locals().inherited()});
  loop_.call_soon([this] { start_next(); });
}

void Fibers::start_next() {
  Pending next = std::move(pending_.front());
  pending_.pop_front();
  Fiber* fiber = nullptr;
  try {
    fiber = &take();
  } catch (const std::bad_alloc&) {
    next.job->abandon(
        absl::ResourceExhaustedError(to_absl(cat("no memory for the stack of a tasklet beside ", all_.size(),
                                                 " others: run fewer at a time, or raise "
                                                 "vm.max_map_count"))));
    return;
  }
  fiber->assign(std::move(next.job), std::move(next.locals));
  enter(*fiber);
}

void Fibers::make_ready(Fiber& fiber) {
  if (!ending_) loop_.call_soon([this, &fiber] { enter(fiber); });
}

bool Fibers::park(const FutureCore* future, bool joining) {
  if (ending_ && !joining) return false;
  return Fiber::current()->park(future, joining, ++parks_);
}

void Fibers::enter(Fiber& fiber) {
  loop_.pulse_->run(fiber.locals_.request);
  fiber.resume();
  loop_.pulse_->run(nullptr);
  if (!fiber.busy()) give_back(fiber);
}

Fiber& Fibers::take() {
  if (free_.empty()) {
    if (!watch_) watch_.emplace();
    all_.push_back(std::make_unique<Fiber>());
    all_.back()->index_ = all_.size() - 1;
    free_.push_back(all_.back().get());
  }
  Fiber& fiber = *free_.back();
  free_.pop_back();
  most_used_ = std::max(most_used_, all_.size() - free_.size());
  return fiber;
}

void Fibers::give_back(Fiber& fiber) {
  if (free_.size() < kPooled) {
    free_.push_back(&fiber);
  } else {
    destroy(fiber);
  }
}

void Fibers::destroy(Fiber& fiber) {
  const std::size_t index = fiber.index_;
  std::swap(all_[index], all_.back());
  all_[index]->index_ = index;
  all_.pop_back();
}

void Fibers::trim() {
  const std::size_t in_use = all_.size() - free_.size();
  while (all_.size() > most_used_ && !free_.empty()) {
    Fiber& fiber = *free_.back();
    free_.pop_back();
    destroy(fiber);
  }
  most_used_ = in_use;
}

bool Fibers::break_stuck(const FutureCore& future, bool any) {
  Fiber* victim = nullptr;
  const FutureCore* link = &future;
  for (std::size_t i = 0; i <= all_.size() && link != nullptr; ++i) {  // the bound ends the walk of a deadlock cycle
    const Fiber* runner = link->runner();
    if (runner == nullptr) break;
    if (!runner->joining()) victim = all_[runner->index_].get();
    link = runner->waits_for();
  }
  if (victim == nullptr && any) {
    for (const auto& fiber : all_) {
      if (!fiber->parked() || fiber->joining()) continue;
      if (victim == nullptr || fiber->ticket() < victim->ticket()) victim = fiber.get();
    }
  }
  if (victim == nullptr) return false;
  victim->interrupt();
  return true;
}

bool Fibers::release_one() {
  if (!pending_.empty()) {
    const Pending next = std::move(pending_.front());
    pending_.pop_front();
    next.job->abandon(cancelled_tasklet());
    return true;
  }
  for (const auto& fiber : all_) {
    if (!fiber->busy() || fiber.get() == Fiber::current()) continue;
    if (fiber->joining() && !fiber->waits_for()->done()) continue;
    fiber->interrupt();
    enter(*fiber);
    return true;
  }
  return false;
}

}  // namespace ndb::detail
