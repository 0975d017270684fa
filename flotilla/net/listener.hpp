// A listening socket on a loop; several loops may listen on one address (SO_REUSEPORT).
//
// One process per address: an abstract Unix socket named after the address is the lock, so a second
// process is refused although SO_REUSEPORT would let it in (DESIGN 4.2); see AddressLock.
// When descriptors run out accepting pauses for kRetry, so that the loop does not spin; above the
// connection limit it pauses until connection_gone(). What waits in the kernel's queue is accepted before
// the socket closes: closing one of two SO_REUSEPORT listeners would reset it.
// Ownership: accepted channels are handed to the callback. Threads: the loop's.
#pragma once

#include <functional>
#include <memory>

#include "flotilla/base/error.hpp"
#include "flotilla/net/address.hpp"
#include "flotilla/net/channel.hpp"
#include "flotilla/net/loop.hpp"

namespace flotilla::net {

// Held by the process for as long as it listens on the address.
class AddressLock {
 public:
  [[nodiscard]] static Result<AddressLock> take(const SocketAddress& address);
  AddressLock(AddressLock&& other) noexcept;
  AddressLock& operator=(AddressLock&& other) noexcept;
  ~AddressLock();

 private:
  explicit AddressLock(int fd) : fd_(fd) {}
  int fd_;
};

class Listener final : public EventSource {
 public:
  using OnAccept = std::move_only_function<void(Channel)>;
  static constexpr Duration kRetry = std::chrono::milliseconds(100);
  static constexpr int kBacklog = 4096;
  static constexpr int kAcceptsPerTurn = 64;

  // Port 0 takes a free one (address() tells). `most` bounds open connections of this listener.
  [[nodiscard]] static Result<std::unique_ptr<Listener>> open(Loop& loop, const SocketAddress& address,
                                                              std::size_t most, OnAccept on_accept);
  ~Listener() override;

  [[nodiscard]] SocketAddress address() const noexcept;
  void on_events(std::uint32_t events) override;

  // Tells that an accepted connection has ended; accepting goes on if it was paused.
  void connection_gone() noexcept;
  [[nodiscard]] std::size_t connections() const noexcept { return connections_; }
  // Accepts what the kernel has queued, then closes. Idempotent.
  void close();

 private:
  Listener(Loop& loop, int fd, std::size_t most, OnAccept on_accept);
  bool accept_one();
  void pause(bool retry) noexcept;
  void resume() noexcept;

  Loop& loop_;
  int fd_;
  std::size_t most_;
  std::size_t connections_ = 0;
  bool paused_ = false;
  Timer retry_;
  OnAccept on_accept_;
};

}  // namespace flotilla::net
