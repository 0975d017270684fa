// One view at work: its engine on one loop, and everything that carries its effects out.
//
// For: view_runner.hpp. It reads the topics' records in the order of positions and waits for more, reads the
// rows that are to be folded, saves rows and checkpoint in one batch, and tells readers how far it has come.
// What the journal has not confirmed has not happened; when it is not known what has, everything is read
// anew, once nothing is under way any more. A record that cannot be read stops the view, with a message that
// names the record: nothing is ever skipped. Ownership: owned by the runner, made and destroyed on its loop;
// destroying it ends every wait under way, as a crash would. Threads: its loop's; want() any. Limits: those
// of the engine.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "flotilla/cqrs/core/topic_merge.hpp"
#include "flotilla/cqrs/core/view_engine.hpp"
#include "flotilla/cqrs/view.hpp"
#include "flotilla/cqrs/view_copier.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::cqrs {

class ViewShell {
 public:
  using Seat = ViewSeat;

  // `redis`: where copies go, if the view has any.
  ViewShell(ViewDefinitionPtr definition, journal::Journal& journal, ViewPtr view, ViewCounters& counters,
            CopyCounters& copy_counters, const std::optional<RedisAddress>& redis, net::Loop& loop,
            Seat seat);
  ViewShell(const ViewShell&) = delete;
  ViewShell& operator=(const ViewShell&) = delete;
  ~ViewShell();

  // Reads what is saved and begins.
  void start();
  // Begins nothing more, and waits until what is being saved is known, or until `deadline`.
  [[nodiscard]] net::Task<> drain(Instant deadline);
  // Builds the view anew beside the version that is read. The refusal, or an empty text once it is durable
  // that it is built.
  [[nodiscard]] net::Task<std::string> rebuild();

  // Rows of that version that may have been kept long enough. It is no matter if that comes to nothing.
  void expire(input::Expire expire) {
    if (!stopped_ && !draining_) {
      feed(std::move(expire));
    }
  }

  // Runs beside the others until it ends or the shell does.
  void spawn(net::Task<> task) { tasks_.spawn(std::move(task)); }

  [[nodiscard]] ViewReport report() const { return engine_->report(); }
  [[nodiscard]] CopyState copies() const noexcept { return copier_ ? copier_->state() : CopyState::none; }
  [[nodiscard]] std::size_t copies_pending() const noexcept { return copier_ ? copier_->pending() : 0; }
  // Why it has stopped altogether; empty: it has not.
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }

 private:
  struct Asking;
  struct Bell {
    net::Event event;
    bool rung = false;
    void ring() {
      rung = true;
      event.set();
    }
  };
  // One of two versions that read.
  struct Reading {
    std::uint64_t fetch = 0;  // that is wanted
    bool told_end = false;    // the engine knows that there was nothing more
    bool asked = false;       // somebody waits for it to come farther
    Bell* bell = nullptr;     // of the fetch that waits
  };

  void feed(ViewInput input);
  void carry_out(effect::Fetch& fetch);
  void carry_out(effect::LoadRows& load);
  void carry_out(effect::Save& save);
  void carry_out(effect::SaveRecord& save);
  void carry_out(const effect::Forget& forget);
  void carry_out(const effect::Serve& serve);
  void carry_out(const effect::Failed& failed);
  void carry_out(const effect::Reload& reload);
  void carry_out(effect::Reply& reply);
  void begin_engine();
  void fail_for_good(std::string why);

  [[nodiscard]] net::Task<> load(Duration pause);
  [[nodiscard]] net::Task<Result<input::Load>> saved();
  [[nodiscard]] net::Task<> fetch(effect::Fetch fetch);
  // view_shell_reading.cpp
  // Of all shards, behind `after`.
  [[nodiscard]] net::Task<Result<ShardPages>> read_shards(const effect::Fetch& fetch,
                                                          journal::ReadToken after);
  [[nodiscard]] net::Task<Result<TopicPage>> read_topics(const std::vector<std::string>& topics,
                                                         journal::Position after, std::size_t most);
  // Until there may be more, somebody wants it, or some seconds have passed: then it is looked at, too.
  [[nodiscard]] net::Task<> wait_for_more(const effect::Fetch& fetch, journal::ReadToken after);
  [[nodiscard]] net::Task<> ring_when_more(std::string topic, journal::Position after, Instant deadline,
                                           Bell& bell);
  void look_again();
  [[nodiscard]] net::Task<> load_rows(effect::LoadRows load);
  [[nodiscard]] net::Task<> append(journal::Batch batch, ViewInput saved, ViewInput failed);
  [[nodiscard]] net::Task<> forget(effect::Forget forget);
  [[nodiscard]] journal::Batch batch() const;
  [[nodiscard]] bool is_over(std::uint64_t life) const { return life != life_ || stopped_ || draining_; }

  const ViewDefinitionPtr definition_;
  journal::Journal& journal_;
  const ViewPtr view_;
  ViewCounters& counters_;
  net::Loop& loop_;
  const Seat seat_;
  std::unique_ptr<ViewEngine> engine_;
  std::deque<ViewInput> inputs_;  // while feed() is at work
  bool feeding_ = false;
  bool draining_ = false;
  bool stopped_ = false;
  std::string failure_;
  std::uint64_t life_ = 0;  // goes up with each engine
  bool begins_ = true;      // it has told nobody of a position yet
  std::map<Generation, Reading> readings_;
  std::map<Generation, journal::ReadToken> saved_;  // how far each version's cursors say it has come
  std::size_t saving_ = 0;                          // appends under way
  net::Event idle_;                                 // one of them went down
  Waiter next_waiter_ = 1;
  std::map<Waiter, Asking*> asking_;
  // Between readers that want more and this loop.
  struct Door {
    std::atomic<bool> wanted{false};
    net::Loop* loop;
    ViewShell* shell;  // the loop's thread alone; null once it has gone
  };
  std::shared_ptr<Door> door_;
  std::unique_ptr<ViewCopier> copier_;  // null: no copies are kept
  net::Scope tasks_;                    // last: its tasks use the others
};

}  // namespace flotilla::cqrs
