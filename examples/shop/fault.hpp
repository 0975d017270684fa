// Ordered misbehaviour: what POST /_control makes a sample service do.
//
//   {"delay_ms": 300}                 answer that much later
//   {"fail_rate": 0.5, "status": 500} answer that share of requests with that status, without doing anything
//   {"hang": true}                    do not answer until told otherwise
//   {"refuse_ms": 2000}               stop listening for so long: connections are refused
// Each POST replaces everything; {} is good behaviour again. /health and /_control are never touched.
// Threads: the loop's. Limits: delays and refusals of at most kLongest.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "flotilla/base/error.hpp"
#include "flotilla/base/random.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/task.hpp"

namespace shop {

class Fault {
 public:
  static constexpr flotilla::Millis kLongest = std::chrono::minutes(10);

  explicit Fault(std::uint64_t seed) : random_(seed) {}

  // Called when refusing was ordered, with how long.
  void on_refuse(std::function<void(flotilla::Duration)> stop_listening) {
    stop_listening_ = std::move(stop_listening);
  }

  // Errors: invalid (an unknown member, a value out of its bounds); then nothing changes.
  [[nodiscard]] flotilla::Result<> order(const flotilla::json::Value& wanted);
  [[nodiscard]] flotilla::json::Value describe() const;

  // Waits as ordered; then the status to fail with, or nothing to go on.
  [[nodiscard]] flotilla::net::Task<std::optional<std::uint16_t>> enter(flotilla::net::Loop& loop);

 private:
  struct Orders {
    std::int64_t delay_ms = 0;
    double fail_rate = 0;
    std::uint16_t status = 500;
    bool hang = false;
    std::int64_t refuse_ms = 0;
  };
  [[nodiscard]] static flotilla::Result<Orders> read(const flotilla::json::Value& wanted);

  Orders orders_;
  flotilla::Random random_;
  flotilla::net::Event changed_;
  std::function<void(flotilla::Duration)> stop_listening_;
};

}  // namespace shop
