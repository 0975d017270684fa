#include "flotilla/http/pipeline.hpp"

#include <functional>
#include <utility>

namespace flotilla::http::detail {

Pipeline::TurnAwaiter Pipeline::turn(Ticket ticket, Instant deadline) noexcept {
  return {*this, ticket, deadline};
}

void Pipeline::leave(Ticket ticket, bool clean) noexcept {
  turns.leave(ticket, clean);
  if (!turns.is_broken()) {
    resume(turns.serving());
    return;
  }
  for (Ticket behind = 0; behind < PipelineTurns::kMost; ++behind) {
    resume(behind);
  }
}

void Pipeline::resume(Ticket ticket) noexcept {
  TurnAwaiter* const waiter = std::exchange(waiting_[ticket % PipelineTurns::kMost], nullptr);
  if (waiter != nullptr) {
    loop_.make_ready(waiter->ready_, waiter->handle_);
  }
}

std::span<char> Pipeline::take_rest() noexcept {
  return std::span(rest_).subspan(std::exchange(rest_at_, rest_.size()));
}

void Pipeline::keep_rest(std::span<const char> bytes) {
  const char* const begin = rest_.data();
  if (std::less_equal<>()(begin, bytes.data()) && std::less<>()(bytes.data(), begin + rest_.size())) {
    rest_at_ = static_cast<std::size_t>(bytes.data() - begin);
    return;
  }
  rest_.assign(bytes.data(), bytes.size());
  rest_at_ = 0;
}

}  // namespace flotilla::http::detail
