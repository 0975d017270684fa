// Process signals as events of one loop.
//
// Call block_signals() in main before any thread starts, so that no thread is interrupted; then one
// SignalSource on the control loop receives them. SIGPIPE is ignored: sends report it as an error.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>

#include "flotilla/net/loop.hpp"

namespace flotilla::net {

void block_signals(std::initializer_list<int> signals);

class SignalSource final : public EventSource {
 public:
  using OnSignal = std::move_only_function<void(int signal)>;
  static Result<std::unique_ptr<SignalSource>> open(Loop& loop, std::initializer_list<int> signals,
                                                    OnSignal on_signal);
  ~SignalSource() override;
  void on_events(std::uint32_t events) override;

 private:
  SignalSource(Loop& loop, int fd, OnSignal on_signal)
      : loop_(loop), fd_(fd), on_signal_(std::move(on_signal)) {}
  Loop& loop_;
  int fd_;
  OnSignal on_signal_;
};

}  // namespace flotilla::net
