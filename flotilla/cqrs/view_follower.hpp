// A view that another process runs, as it is found in the store.
//
// For: view_runner.hpp, in a journal that several processes share. It looks: which version the record says is
// read, how far that one's checkpoint has come, and whether anything of its topics lies behind. So it tells
// readers of this process how new what they read is; the rows they read themselves. It looks when somebody
// wants more than it knows, every kPressed while somebody waits, and every kIdle otherwise.
// Ownership: owned by the runner, made and destroyed on its loop. Threads: its loop's.
// Limits: a look reads two cursors, and one record of each topic in each shard that has moved.
#pragma once

#include <atomic>
#include <memory>

#include "flotilla/cqrs/core/view_engine.hpp"
#include "flotilla/cqrs/view.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::cqrs {

class ViewFollower {
 public:
  static constexpr Duration kPressed = std::chrono::milliseconds(30);
  static constexpr Duration kIdle = std::chrono::seconds(5);

  ViewFollower(std::string name, journal::Journal& journal, ViewPtr view, net::Loop& loop);
  ViewFollower(const ViewFollower&) = delete;
  ViewFollower& operator=(const ViewFollower&) = delete;
  ~ViewFollower();

  void start() { tasks_.spawn(look_forever()); }

  // As it was found last.
  [[nodiscard]] const ViewReport& report() const noexcept { return report_; }

 private:
  // What lies behind a checkpoint.
  struct Behind {
    journal::ReadToken quiet;   // nothing of the topics lies up to here
    std::int64_t since_ms = 0;  // when the first that does was recorded; 0: nothing does
  };

  [[nodiscard]] net::Task<> look_forever();
  [[nodiscard]] net::Task<Result<>> look();
  [[nodiscard]] net::Task<Result<std::optional<VersionReport>>> version(const ViewVersion& version);
  [[nodiscard]] net::Task<Result<Behind>> look_behind(const ViewVersion& version, journal::ReadToken from);
  [[nodiscard]] net::Task<Result<>> look_behind(const std::vector<std::string>& topics, std::uint32_t shard,
                                                Behind& behind);

  const std::string name_;
  journal::Journal& journal_;
  const ViewPtr view_;
  net::Loop& loop_;
  ViewReport report_;
  Generation quiet_of_ = 0;
  journal::ReadToken quiet_;  // of that version: what was found last
  std::string trouble_;       // that was logged last
  // Between readers that want more and this loop.
  struct Door {
    std::atomic<bool> wanted{false};
    net::Loop* loop = nullptr;
    ViewFollower* follower = nullptr;  // the loop's thread alone; null once it has gone
  };
  std::shared_ptr<Door> door_;
  bool asked_ = false;
  net::Event asking_;
  net::Scope tasks_;  // last: its tasks use the others
};

}  // namespace flotilla::cqrs
