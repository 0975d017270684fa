// A small world for the copies of a view: the view that is durable and goes on, processes that come, sleep
// and die, connections that break with commands under way, and a Redis that expires, forgets and goes back.
//
// For: copy_simulation_test.cpp. Everything follows from the seed. Checked after each step: a copy never goes
// back (C1), and where the marker says that copies are complete, they are (C3); when all is healed, each copy
// is what the view answers (C2). Ownership: owns all of it. Threads: one.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "flotilla/cqrs/core/copy_engine.hpp"

namespace flotilla::cqrs::simulation {

enum class CopyPassage : std::uint8_t {
  copied,
  removed,
  too_large,
  not_taken,
  expired,
  offered,
  connection_lost,
  late_command,   // of a connection that was lost, executed after a later claim
  trusted_again,  // after a loss of the connection
  redis_emptied,
  redis_went_back,
  marker_lost,
  clean_start,  // what was left is complete, and nothing is copied anew
  unclean_start,
  refused,
  outdated,  // a process that slept claims too late
  taken,     // another journal claims
  flipped,
  flipped_loading,
  any_changed,
  overflowed,
  sweep_broken,
  completed,
};
inline constexpr std::size_t kCopyPassages = static_cast<std::size_t>(CopyPassage::completed) + 1;
[[nodiscard]] std::string_view to_string(CopyPassage passage) noexcept;

struct CopyCoverage {
  std::array<std::uint64_t, kCopyPassages> passages{};
  CopyCounters counters;
  std::uint64_t steps = 0;
  void count(CopyPassage passage) noexcept { ++passages[static_cast<std::size_t>(passage)]; }
  [[nodiscard]] std::vector<std::string> missing() const;
};

// Mistakes in what Redis is told to do, which is not the engine's.
enum class ScriptFault : std::uint8_t {
  none,
  write_unfenced,   // a batch is taken whoever has claimed
  claim_unordered,  // an earlier process may claim after a later one
};
inline constexpr std::size_t kScriptFaults = static_cast<std::size_t>(ScriptFault::claim_unordered) + 1;

struct CopyWorldConfig {
  std::uint64_t seed = 1;
  std::size_t steps = 2000;
  CopyFault planted = CopyFault::none;
  ScriptFault script = ScriptFault::none;
  bool trace = false;
};

class CopyWorld {
 public:
  CopyWorld(const CopyWorldConfig& config, CopyCoverage& coverage);
  // What was violated, if anything; empty: nothing.
  [[nodiscard]] std::string run();
  [[nodiscard]] const std::string& timeline() const noexcept { return timeline_; }

 private:
  struct Change {
    std::uint64_t position = 0;
    bool exists = false;
  };
  // One version of the view: what happened to each key.
  using History = std::map<std::string, std::vector<Change>>;
  struct Copy {
    Generation generation = 0;
    std::uint64_t position = 0;  // of the change it has
  };
  struct Redis {
    std::map<std::string, Copy> copies;
    std::optional<CopyMarker> marker;
    std::set<std::string> excused;  // whose copies ended by themselves
  };
  struct ClaimCommand {
    std::uint64_t batch = 0;
    std::string last;
    std::string claim;
  };
  using Command = std::variant<ClaimCommand, copying::Write, copying::Scan>;
  struct Connection {
    std::uint64_t epoch = 0;
    std::string journal;
    std::deque<Command> commands;
    std::deque<CopyInput> replies;
  };
  struct Process {
    std::uint64_t epoch = 0;
    std::string journal;
    std::unique_ptr<CopyEngine> engine;
    std::shared_ptr<Connection> connection;
    bool wants_claim = false;
    copying::Claim claim;
    std::deque<copying::Served> served;
    std::vector<copying::Load> loads;
    std::vector<copying::Loaded> loaded;  // read, and not given yet
    std::vector<copying::Walk> walks;
  };

  // Of a thousand steps, drawn for each seed.
  struct Odds {
    std::uint64_t fold = 0, crash = 0, flip = 0, harm = 0, disconnect = 0, offer = 0, late = 0, sleeper = 0;
    std::uint32_t any_changed = 0, not_taken = 0, other_journal = 0;
  };

  [[nodiscard]] bool chance(std::uint32_t permille) { return random_.below(1000) < permille; }
  void note(const std::string& what);
  void violated(const std::string& what);

  void begin(bool other_journal);
  void happen();
  void fold();
  void flip();
  void act(Process& process);
  void give(Process& process, CopyInput in);
  void connect(Process& process);
  void disconnect(Process& process);
  void execute(Connection& connection);
  [[nodiscard]] CopyInput execute(Connection& connection, const ClaimCommand& command);
  [[nodiscard]] CopyInput execute(Connection& connection, const copying::Write& command);
  [[nodiscard]] CopyInput execute(Connection& connection, const copying::Scan& command);
  void put(const copying::Item& item);
  void harm_redis();
  void restart_redis(std::optional<Redis> with);
  void crash();
  [[nodiscard]] copying::Loaded read(const copying::Load& load);
  void check_complete(Generation generation, std::uint64_t position);
  void check_bounds();
  void settle();
  [[nodiscard]] const Change* last_change(const std::string& key, std::uint64_t position) const;

  const CopyWorldConfig config_;
  CopyCoverage& coverage_;
  Random random_;
  Odds odds_;
  std::string violation_;
  std::string timeline_;
  std::uint64_t step_ = 0;
  bool healing_ = false;

  std::uint64_t position_ = 1;
  Generation generation_ = 1;
  History history_;
  std::uint64_t epoch_ = 0;
  std::uint64_t claims_ = 0;
  std::size_t journals_ = 1;

  Redis redis_;
  std::optional<Redis> snapshot_;
  std::map<std::string, Copy> newest_;  // ever put, since Redis went back
  std::unique_ptr<Process> process_;
  std::vector<std::unique_ptr<Process>> sleepers_;
  std::vector<std::shared_ptr<Connection>> broken_;  // with commands that may still come to be
};

}  // namespace flotilla::cqrs::simulation
