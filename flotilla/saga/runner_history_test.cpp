// What clients are told of sagas has an order: histories of real clients, who ask a real runner at the same
// time while it is killed and started again, and while the journal fails.
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "flotilla/saga/core/simulation/history.hpp"
#include "flotilla/saga/runner_fixture.hpp"

namespace flotilla::saga {
namespace {

using namespace std::chrono_literals;
using simulation::Asking;
using simulation::Exchange;
using simulation::Order;
using simulation::Told;
using test::LoopThread;

template <class T>
Told told_by(const Asked<T>& answer, Told done, Asking asking) {
  if (answer) {
    return done;
  }
  const bool start = asking == Asking::start;
  switch (answer.error().reason) {
    case Reason::key_reused:
      return Told::key_reused;
    case Reason::not_found:
      return start ? Told::untouched : Told::absent;
    case Reason::conflict:
      return !start ? Told::refused : answer.error().status == 423 ? Told::locked : Told::untouched;
    case Reason::invalid:
    case Reason::overloaded:
      return Told::untouched;
    default:
      return Told::nothing;  // it may have been done
  }
}

simulation::View view_of(const SagaView& shown) {
  const json::Value& cause = shown.body["cause"]["reason"];
  simulation::View view{.state = shown.state,
                        .seq = static_cast<std::uint64_t>(shown.body["seq"].as_int().value_or(0)),
                        .cancelled = cause.is_string() && cause.as_string() == "cancel",
                        .signals = std::nullopt};
  if (shown.body["timeline"].is_array()) {
    view.signals.emplace();
    for (const json::Value& record : shown.body["timeline"].items()) {
      if (record["type"].as_string() == "signal") {
        view.signals->emplace_back(record["signal"].as_string());
      }
    }
  }
  return view;
}

// What all clients asked, by the key of the saga.
class Recorder {
 public:
  [[nodiscard]] std::uint64_t instant() { return next_++; }
  void put(const std::string& key, Exchange exchange) {
    const std::lock_guard lock(mutex_);
    histories_[key].push_back(std::move(exchange));
  }
  void knows(const std::string& key, SagaId saga) {
    const std::lock_guard lock(mutex_);
    const auto [known, fresh] = sagas_.try_emplace(key, saga);
    EXPECT_EQ(known->second, saga) << key;
  }
  [[nodiscard]] std::optional<SagaId> saga(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto known = sagas_.find(key);
    return known == sagas_.end() ? std::nullopt : std::optional(known->second);
  }
  [[nodiscard]] const std::map<std::string, std::vector<Exchange>>& histories() const { return histories_; }
  [[nodiscard]] std::size_t count(Told told) const {
    std::size_t count = 0;
    for (const auto& [key, history] : histories_) {
      count += static_cast<std::size_t>(std::ranges::count(history, told, &Exchange::told));
    }
    return count;
  }

 private:
  std::atomic<std::uint64_t> next_{1};
  std::mutex mutex_;
  std::map<std::string, std::vector<Exchange>> histories_;
  std::map<std::string, SagaId> sagas_;
};

class RunnerHistoryTest : public test::RunnerTest {
 protected:
  // As after a crash; requests that are under way find the old one stopped.
  void open_another() {
    const auto definition = [](std::string name) {
      return std::move(
          SagaBuilder(std::move(name))
              .step(StepBuilder("reserve").action("POST shop/reservations").undo("DELETE shop/r"))
              .step(StepBuilder("wait").signal({.signal = "yes", .within = {}}))
              .step(StepBuilder("again").signal({.signal = "yes", .within = {}}))
              .step(StepBuilder("go").pivot().action("POST shop/go").retry(test::kQuick)));
    };
    if (runner != nullptr) {
      runner->stop();
      retired_.push_back(std::move(runner));
    }
    open({built(definition("asks")),
          built(std::move(definition("locked").lock("only:{.input.id}").reject_if_locked()))});
    current_ = runner.get();
  }

  // One request by one client, on its own loop.
  void ask_one(LoopThread& at, Random& random) {
    const std::uint64_t number = random.below(kKeys);
    const std::string key = "k" + std::to_string(number);
    const auto saga = recorder.saga(key);
    const std::uint64_t drawn = saga ? random.below(10) : 0;
    Runner& asked = *current_;
    Exchange exchange{.asked = recorder.instant()};
    std::optional<SagaView> view;
    if (drawn < 2) {
      exchange.asking = Asking::start;
      exchange.text =
          random.below(6) == 0 ? R"({"id":0})" : R"({"id":)" + std::to_string(number / 2 + 1) + "}";
      const auto got = at.ask<Asked<StartResult>>([&] {
        return asked.start({.name = number < kKeys / 2 ? "asks" : "locked",
                            .principal = "test",
                            .key = key,
                            .input = test::parsed(exchange.text)});
      });
      exchange.told = told_by(got, got && got->existing ? Told::existing : Told::accepted, Asking::start);
      if (got) {
        view = got->saga;
        recorder.knows(key, got->saga.id);
      }
    } else if (drawn < 6) {
      const auto got = at.ask<Asked<SagaView>>([&] { return asked.show(*saga, drawn != 2); });
      exchange.told = told_by(got, Told::seen, Asking::show);
      exchange.told = exchange.told == Told::nothing ? Told::untouched : exchange.told;
      exchange.view = got ? view_of(*got) : simulation::View();
    } else if (drawn < 9) {
      exchange.asking = Asking::signal;
      exchange.text = "s" + std::to_string(random.below(5));
      const auto got = at.ask<Asked<SignalResult>>([&] {
        return asked.signal({.saga = *saga, .name = "yes", .id = exchange.text, .payload = json::Value(1)});
      });
      exchange.told = told_by(got, got && got->duplicate ? Told::duplicate : Told::accepted, Asking::signal);
    } else {
      exchange.asking = Asking::cancel;
      const auto got = at.ask<Asked<CancelResult>>(
          [&] { return asked.cancel({.saga = *saga, .who = "test", .why = "drawn"}); });
      exchange.told =
          told_by(got, got && got->pivot_decides ? Told::pivot_decides : Told::aborts, Asking::cancel);
      if (got) {
        view = got->saga;
      }
    }
    exchange.answered = recorder.instant();
    recorder.put(key, exchange);
    if (view) {  // it was looked at within that time as well
      recorder.put(key, {.asking = Asking::show,
                         .text = {},
                         .asked = exchange.asked,
                         .answered = exchange.answered,
                         .told = Told::seen,
                         .view = view_of(*view)});
    }
    ++asked_;
  }

  void wait_for_requests(std::size_t more) {
    const std::size_t until = asked_ + more;
    for (const auto end = net::monotonic_now() + test::kPatience; asked_ < until;) {
      ASSERT_LT(net::monotonic_now(), end);
      std::this_thread::sleep_for(1ms);
    }
  }

  static constexpr std::uint64_t kKeys = 8;
  Recorder recorder;
  std::atomic<Runner*> current_ = nullptr;
  std::atomic<std::size_t> asked_ = 0;
  std::vector<std::unique_ptr<Runner>> retired_;
};

TEST_F(RunnerHistoryTest, WhatClientsAreToldHasAnOrder) {
  services.when("POST /go", [](const http::Request&, int nth) {
    constexpr std::uint16_t kSaid[] = {201, 503, 409};
    return http::Response{kSaid[nth % 3], {}, "{}"};
  });
  open_another();
  std::atomic<bool> over = false;
  {
    std::vector<std::jthread> clients;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      clients.emplace_back([this, seed, &over] {
        LoopThread own;
        for (Random random(seed); !over;) {
          ask_one(own, random);
        }
      });
    }
    wait_for_requests(40);
    open_another();
    wait_for_requests(30);
    journal.break_appends(journal::StoreUnavailable{});
    wait_for_requests(10);
    journal.break_appends(std::nullopt);
    wait_for_requests(40);
    open_another();
    wait_for_requests(100);
    over = true;
  }
  for (const auto& [key, history] : recorder.histories()) {
    const Order order = simulation::find_order(history);
    EXPECT_EQ(order.is, Order::Is::there) << key << ":\n" << order.history;
  }
  EXPECT_GE(recorder.histories().size(), kKeys);
  for (const Told told : {Told::accepted, Told::existing, Told::seen}) {
    EXPECT_GT(recorder.count(told), 0U);
  }
  EXPECT_GT(recorder.count(Told::duplicate) + recorder.count(Told::refused), 0U);
}

}  // namespace
}  // namespace flotilla::saga
