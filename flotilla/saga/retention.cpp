#include "flotilla/saga/retention.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/journal/reply.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::saga {
namespace {

constexpr Duration kForgetEvery = std::chrono::minutes(1);
constexpr Duration kForgetPause = std::chrono::milliseconds(20);  // between two pieces
constexpr std::size_t kForgetAtOnce = 200;

net::Task<> forget(net::Loop& loop, journal::Journal& journal, std::vector<std::string> states,
                   Duration keep) {
  const std::int64_t before = net::wall_now().ns_since_epoch / 1'000'000 - to_millis(keep);
  for (;;) {
    journal::Reply<Result<std::int64_t>> reply;
    journal.forget_streams(journal::RecordClass::saga, states,
                           journal::UtcMillis(std::max(before, std::int64_t{0})), kForgetAtOnce,
                           reply.send());
    const auto forgotten = co_await reply;
    if (!forgotten || *forgotten == 0) {
      co_return;
    }
    co_await net::sleep_for(loop, kForgetPause);
  }
}

}  // namespace

net::Task<> forget_ended(net::Loop& loop, journal::Journal& journal, const Runner& runner) {
  for (;;) {
    co_await net::sleep_for(loop, kForgetEvery);
    const Runner::Keep keep = runner.longest_keep();
    co_await forget(loop, journal, {"completed"}, keep.completed);
    co_await forget(loop, journal, {"compensated", "rejected"}, keep.compensated);
    journal::Reply<Result<std::int64_t>> claims;
    journal.forget_claims(kForgetAtOnce, claims.send());
    (void)co_await claims;  // what is wrong with the journal shows in its health
  }
}

}  // namespace flotilla::saga
