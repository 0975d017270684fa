// The views of a process: one shell for each, on the workers' loops, and the table by which readers find
// them.
//
// For: `app`, which opens it when the file names views, and lends it the workers. A view runs on one worker,
// which its name chooses. In a journal that several processes share its name chooses a shard, too: the view
// runs in the process that has that shard's lease, and the others follow it (view_follower.hpp). Who has it
// is looked at every kLook, and the journal refuses what a loser still writes. A view that the file does not
// name any more stops; its rows and how far it had come stay, so that it goes on from there when it is named
// again. Ownership: owns the shells; the journal outlives it, the workers' loops outlive stop(). Threads:
// start(), replace(), drain(), stop() and the destructor on the control thread; what is asked on any loop;
// find() and collect() on any thread. Limits: those of the file.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/cqrs/refusal.hpp"
#include "flotilla/cqrs/view_follower.hpp"
#include "flotilla/cqrs/view_shell.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::cqrs {

// How a view stands, for people.
struct ViewStatus {
  ViewDefinitionPtr definition;
  ViewReport report;
  bool here = true;                  // this process runs it
  journal::ReadToken journal;        // how far the journal has come
  std::int64_t behind_since_ms = 0;  // 0: it is not behind
  std::string failure;               // why it has stopped altogether
  std::size_t memory = 0;            // bytes of answers
  CopyState copies = CopyState::none;
  std::size_t copies_pending = 0;
};

class ViewRunner {
 public:
  static constexpr Duration kLook = std::chrono::milliseconds(250);

  // `redis`: where views that have `cache` keep copies.
  explicit ViewRunner(journal::Journal& journal, std::optional<RedisAddress> redis = {})
      : journal_(journal), redis_(std::move(redis)) {}
  ViewRunner(const ViewRunner&) = delete;
  ViewRunner& operator=(const ViewRunner&) = delete;
  ~ViewRunner();

  void start(const std::vector<ViewDefinitionPtr>& views, std::vector<net::Loop*> loops);
  // What the file says after a reload. What is as it was goes on.
  void replace(const std::vector<ViewDefinitionPtr>& views);
  // Begins nothing more and lets what is being saved end, for at most `grace`; then calls `done` on one of
  // the loops.
  void drain(Duration grace, std::function<void()> done);
  // Ends all of it, as a crash would. Blocks, until readers have what they asked the journal for, too: so not
  // on one of their loops.
  void stop();

  // Null if the file names no such view.
  [[nodiscard]] ViewPtr find(std::string_view name) const;

  // Whether no other process has the journal open.
  [[nodiscard]] bool is_alone() const noexcept { return journal_.shards() == 1; }
  // Whether this process runs the view that is served now. While somebody holds a Use, or on a loop that
  // still runs.
  [[nodiscard]] bool runs(const View& view) const;
  // Whether it runs it, or is about to.
  [[nodiscard]] bool has_lease(const View& view) const;

  // The journal for a reader on any loop, as long as it lives; stop() waits for those that there are. False
  // once it stops.
  class Use {
   public:
    explicit Use(const ViewRunner& runner) noexcept : runner_(runner) { ++runner_.users_; }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() { --runner_.users_; }
    [[nodiscard]] explicit operator bool() const noexcept { return !runner_.closed_; }
    [[nodiscard]] journal::Journal& operator*() const noexcept { return runner_.journal_; }
    [[nodiscard]] journal::Journal* operator->() const noexcept { return &runner_.journal_; }

   private:
    const ViewRunner& runner_;
  };

  // In the order of their names. Errors of all: not_found.
  [[nodiscard]] net::Task<std::vector<ViewStatus>> list();
  [[nodiscard]] net::Task<Asked<ViewStatus>> show(std::string name);
  // Builds it anew beside the version that is read; answers once that is durable. Errors also: conflict.
  [[nodiscard]] net::Task<Asked<ViewStatus>> rebuild(std::string name, std::string who);

  // Rows of that version that may have been kept long enough; whether they have, its fold says.
  void expire(std::string_view name, input::Expire expire) const;

  void collect(telemetry::MetricsPage& page) const;
  // For those who count the views of a runner in their own words; as of half a second ago.
  struct Gauges {
    std::uint64_t rows = 0;
    bool building = false;
    bool failed = false;
  };
  [[nodiscard]] Gauges gauges_of(std::string_view name) const;

 private:
  // A view on its loop. Shared with what is posted there.
  struct Part : std::enable_shared_from_this<Part> {
    ViewDefinitionPtr definition;  // guarded by the runner's mutex
    ViewPtr view;
    net::Loop* loop = nullptr;
    ViewCounters counters;
    CopyCounters copy_counters;
    // The loop's thread alone.
    std::unique_ptr<ViewShell> shell;        // while it runs here
    std::uint64_t epoch = 0;                 // of its lease
    std::unique_ptr<ViewFollower> follower;  // while it runs elsewhere
    std::unique_ptr<net::Scope> tasks;
    ViewDefinitionPtr wanted;  // null: it is named no more
    bool changing = false;
    bool draining = false;
    // For metrics, written on its loop.
    std::atomic<std::uint64_t> rows{0};
    std::atomic<std::uint64_t> built{0};  // position of the version that is being built; 0: none is
    std::atomic<bool> failed{false};
    std::atomic<CopyState> copies{CopyState::none};
    std::atomic<std::uint64_t> copies_pending{0};
  };
  using PartPtr = std::shared_ptr<Part>;

  void add(const ViewDefinitionPtr& definition);
  // Ends the shell and begins one of `next`, if there is one. On the part's loop.
  void change(const PartPtr& part, ViewDefinitionPtr next);
  [[nodiscard]] net::Task<> change_over(Part* part);
  void begin(Part& part);
  [[nodiscard]] net::Task<> tend(Part* part);
  static void note(Part& part);
  [[nodiscard]] journal::ReadToken end() const;
  [[nodiscard]] PartPtr part_of(std::string_view name) const;
  [[nodiscard]] std::vector<PartPtr> parts() const;
  [[nodiscard]] net::Task<ViewStatus> status(PartPtr part);
  static void run_on(net::Loop& loop, std::move_only_function<void()> function);

  static void collect_copies(telemetry::MetricsPage& page, const Part& part);

  journal::Journal& journal_;
  const std::optional<RedisAddress> redis_;
  std::vector<net::Loop*> loops_;
  mutable std::mutex mutex_;
  std::map<std::string, PartPtr, std::less<>> parts_;  // guarded by mutex_
  std::vector<PartPtr> gone_;                          // the control thread's: named no more
  bool stopped_ = false;
  std::atomic<bool> closed_{false};
  mutable std::atomic<std::size_t> users_{0};
};

}  // namespace flotilla::cqrs
