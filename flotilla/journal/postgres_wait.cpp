// Waiting for NOTIFY on a connection of postgres.hpp.
#include <algorithm>
#include <cerrno>
#include <memory>

#include <poll.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/journal/postgres.hpp"
#include "flotilla/journal/postgres_library.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::journal::pg {

std::expected<bool, Failure> Connection::wait_for_notice(Duration longest) {
  FLOTILLA_ASSERT(pipelined_ == 0);
  if (handle_ == nullptr) {
    return std::unexpected(Failure{.message = "the connection is closed", .state = {}, .lost = true});
  }
  const Library& pq = **library();
  const auto take = [&] {
    bool any = false;
    while (PGnotify* const notice = pq.notifies(handle_)) {
      pq.free_memory(notice);
      any = true;
    }
    return any;
  };
  const Instant deadline = saturating_add(net::monotonic_now(), longest);
  while (!take()) {
    const auto left = std::chrono::ceil<Millis>(deadline - net::monotonic_now()).count();
    pollfd ready{.fd = pq.socket(handle_), .events = POLLIN, .revents = 0};
    const int found =
        left <= 0 ? 0 : ::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (found == 0 && net::monotonic_now() >= deadline) {
      return false;
    }
    if (found > 0 && pq.consume_input(handle_) == 0) {
      return std::unexpected(lose(pq.error_message(handle_)));
    }
    if (found < 0 && errno != EINTR) {
      return std::unexpected(lose("the connection cannot be waited for"));
    }
  }
  return true;
}

}  // namespace flotilla::journal::pg
