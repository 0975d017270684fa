// The copies of one view in Redis at work: their engine, and everything that carries its effects out.
//
// For: view_shell.hpp, which tells it what is served. It reads answers from the journal, writes them to
// Redis in batches, several under way at once, and connects anew for as long as Redis is away. Nothing waits
// for it: a view is folded and read as if it were not there. Ownership: owned by the shell, made and
// destroyed on its loop; destroying it ends what is under way, as a crash would. Threads: its loop's.
// Limits: CopyLimits; those of CopyDoor.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "flotilla/cqrs/core/copy_engine.hpp"
#include "flotilla/cqrs/core/redis_address.hpp"
#include "flotilla/cqrs/redis_connection.hpp"
#include "flotilla/cqrs/view.hpp"
#include "flotilla/cqrs/view_seat.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::cqrs {

// What people see of a view's copies.
enum class CopyState : std::uint8_t {
  none,          // the view has no `cache`, or there is no Redis
  disconnected,  // Redis is away
  copying,       // some wait
  complete,
  superseded,  // somebody else writes them
};
[[nodiscard]] std::string_view to_string(CopyState state) noexcept;

class ViewCopier {
 public:
  // `ttl`: the life of a copy. `seat`: the lease under which the view runs, whose epoch orders those who
  // write.
  ViewCopier(std::string name, Duration ttl, RedisAddress address, journal::Journal& journal, ViewPtr view,
             CopyCounters& counters, net::Loop& loop, ViewSeat seat);
  ViewCopier(const ViewCopier&) = delete;
  ViewCopier& operator=(const ViewCopier&) = delete;
  ~ViewCopier();

  // After the view was told. `begins`: of the first word of an engine of the view.
  void served(const effect::Serve& serve, bool begins);
  // Until all is in Redis, unless that is away, or until `deadline`.
  [[nodiscard]] net::Task<> drain(Instant deadline);

  [[nodiscard]] CopyState state() const noexcept;
  [[nodiscard]] std::size_t pending() const noexcept { return engine_.pending(); }

 private:
  [[nodiscard]] bool has_lease() const;
  void feed(CopyInput input);
  void carry_out(copying::Claim& claim);
  void carry_out(copying::Load& load);
  void carry_out(const copying::Write& write);
  void carry_out(copying::Walk& walk);
  void carry_out(const copying::Scan& scan);
  void carry_out(const copying::Superseded& superseded);

  // Connects, claims and reads replies, again and again.
  [[nodiscard]] net::Task<> link();
  [[nodiscard]] net::Task<Result<>> open();
  // Which journal this is; made up when it is first asked.
  [[nodiscard]] net::Task<Result<>> identify();
  void claim(const copying::Claim& claim);
  void claimed(const std::string& claim, const RedisReply& reply);
  void wrote(std::uint64_t batch, const RedisReply& reply);
  void scanned(std::uint64_t sweep, const RedisReply& reply);
  void complain(const std::string& why);
  [[nodiscard]] net::Task<> load(copying::Load what);
  [[nodiscard]] net::Task<> walk(copying::Walk what);
  [[nodiscard]] net::Task<> tick();

  const std::string name_;
  const std::string marker_;
  const RedisAddress address_;
  journal::Journal& journal_;
  const ViewPtr view_;
  net::Loop& loop_;
  const ViewSeat seat_;
  Random random_;
  CopyEngine engine_;
  std::deque<CopyInput> inputs_;  // while feed() is at work
  bool feeding_ = false;
  std::string journal_id_;
  std::unique_ptr<net::Resolver> resolver_;
  std::unique_ptr<RedisConnection> connection_;
  std::string claim_script_;  // as Redis numbers it
  std::string write_script_;
  std::optional<copying::Claim> wanted_;  // what is to be claimed
  net::Event wants_;
  bool complained_ = false;
  net::Event moved_;  // something was fed
  std::shared_ptr<CopyDoor> door_;
  net::Scope tasks_;  // last: its tasks use the others
};

}  // namespace flotilla::cqrs
