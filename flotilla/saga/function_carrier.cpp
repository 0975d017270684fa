#include "flotilla/saga/function_carrier.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/journal/reply.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::saga {
namespace {

// "SAGA/VERSION/STEP[/undo]", as CodeSaga names it.
std::string name_of(const RenderedRequest& request) { return request.service + request.target; }

StepCall call_of(const effect::Send& send, std::stop_token stop) {
  StepCall call{.key = send.key,
                .saga = send.saga.text(),
                .step = {},
                .undo = send.op == Op::undo,
                .input = {},
                .steps = {},
                .cause = {},
                .stop = std::move(stop)};
  const auto step = std::ranges::find(send.headers, "saga-step", &std::pair<std::string, std::string>::first);
  if (step != send.headers.end()) {
    call.step = step->second;
  }
  const auto given = json::parse(send.request->body);
  FLOTILLA_ASSERT(given);  // an expression of ours made it
  call.input = (*given)["input"];
  call.cause = (*given)["cause"];
  call.steps = json::Value::object();
  for (const json::Member& member : (*given)["steps"].members()) {
    if (!member.value.is_null()) {
      call.steps.set(member.key(), member.value);
    }
  }
  return call;
}

Outcome call_function(const StepFunction& function, const StepCall& call) {
  try {
    return function(call);
  } catch (const std::exception& exception) {
    return Outcome::unknown(fmt::format("it threw: {}", exception.what()));
  } catch (...) {
    return Outcome::unknown("it threw something that is no std::exception");
  }
}

// In the words of verdict.hpp, which reads the outcome before the status; the status is for people.
void tell(const Outcome& outcome, input::Answer& answer) {
  answer.head.kind = AnswerHead::Kind::status;
  answer.head.note = outcome.reason();
  if (outcome.after() > Duration::zero()) {
    answer.head.retry_after = outcome.after();
  }
  switch (outcome.kind()) {
    case Outcome::Kind::done:
      answer.head.status = 200;
      answer.head.outcome = "ok";
      if (!outcome.output().is_null()) {
        answer.body = json::write(outcome.output());
      }
      return;
    case Outcome::Kind::refused:
      answer.head.status = 409;
      answer.head.outcome = "refused";
      return;
    case Outcome::Kind::retry:
      answer.head.status = 503;
      answer.head.outcome = "retry";
      return;
    case Outcome::Kind::unknown:
      answer.head.status = 500;
      answer.head.outcome = "unknown";
      return;
  }
}

// Asks the function to stop when its time is over.
class TimeLimit {
 public:
  TimeLimit(net::Loop& loop, Duration timeout, std::string name)
      : name_(std::move(name)),
        timeout_(timeout),
        timer_([](void* self) { static_cast<TimeLimit*>(self)->over(); }, this) {
    loop.arm(timer_, saturating_add(loop.now(), timeout));
  }
  [[nodiscard]] std::stop_source& stop() noexcept { return stop_; }

 private:
  void over() {
    log::warning("the function of {} has not returned within {} ms; it was asked to stop", name_,
                 to_millis(timeout_));
    stop_.request_stop();
  }
  std::string name_;
  Duration timeout_;
  std::stop_source stop_;
  net::Timer timer_;
};

}  // namespace

// One of the threads, for as long as it lives; taken in the order of coming.
class FunctionCarrier::Turn {
 public:
  explicit Turn(FunctionCarrier& carrier) : carrier_(carrier) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (!has_) {
      carrier_.waiting_.remove(this);
      return;
    }
    if (carrier_.waiting_.empty()) {
      ++carrier_.free_;
      return;
    }
    Turn& next = *carrier_.waiting_.front();
    carrier_.waiting_.pop_front();
    next.has_ = true;
    next.given_.set();
  }

  // False when too many wait.
  net::Task<bool> take() {
    if (carrier_.free_ > 0) {
      --carrier_.free_;
      has_ = true;
      co_return true;
    }
    if (carrier_.waiting_.size() >= carrier_.most_waiting_) {
      co_return false;
    }
    carrier_.waiting_.push_back(this);
    while (!has_) {
      co_await given_.wait();
    }
    co_return true;
  }

 private:
  FunctionCarrier& carrier_;
  bool has_ = false;
  net::Event given_;
};

FunctionCarrier::FunctionCarrier(net::Loop& loop, StepFunctions functions, std::uint32_t threads,
                                 std::size_t most_waiting)
    : loop_(loop),
      functions_(std::move(functions)),
      most_waiting_(most_waiting),
      free_(std::max(threads, 1U)) {
  for (std::uint32_t i = 0; i < free_; ++i) {
    threads_.emplace_back([this] { work(); });
  }
}

FunctionCarrier::~FunctionCarrier() { close(); }

void FunctionCarrier::close() {
  closing_.request_stop();
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  job_came_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

void FunctionCarrier::hand_over(std::move_only_function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  job_came_.notify_one();
}

void FunctionCarrier::work() {
  for (;;) {
    std::move_only_function<void()> job;
    {
      std::unique_lock lock(mutex_);
      job_came_.wait(lock, [this] { return closed_ || !jobs_.empty(); });
      if (closed_) {
        return;  // what was handed over and not begun had no effect
      }
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

net::Task<input::Answer> FunctionCarrier::carry(const effect::Send& send, std::string_view /*callback*/,
                                                std::function<bool()> wanted) {
  input::Answer answer{.saga = send.saga, .token = send.token};
  const std::string name = name_of(*send.request);
  const auto function = functions_.find(name);
  if (function == functions_.end()) {
    answer.head.kind = AnswerHead::Kind::status;
    answer.head.status = 501;
    answer.head.note = fmt::format(
        "this program has no function for {} (saga/version/step): give that version to it too, and resume "
        "the "
        "saga",
        name);
    co_return answer;
  }
  Turn turn(*this);
  if (!co_await turn.take() || !wanted()) {
    answer.head.kind = AnswerHead::Kind::not_sent;
    answer.held_back = true;
    co_return answer;
  }
  TimeLimit limit(loop_, send.timeout, name);
  journal::Reply<Outcome> outcome;
  hand_over([&function = function->second, call = call_of(send, limit.stop().get_token()),
             stop = limit.stop(), closing = closing_.get_token(), done = outcome.send()]() mutable {
    const std::stop_callback at_close(closing, [&stop] { stop.request_stop(); });
    done(call_function(function, call));
  });
  tell(co_await outcome, answer);
  co_return answer;
}

}  // namespace flotilla::saga
