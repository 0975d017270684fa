// Runs the golden traces of testdata/breaker_traces.txt; the grammar is at the head of that file.
#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "flotilla/base/text.hpp"
#include "flotilla/resilience/core/circuit_breaker.hpp"

namespace flotilla::resilience {
namespace {

struct Trace {
  std::string name;
  std::string parameters;
  std::vector<std::string> steps;
};

std::string without_comments(const std::string& text) {
  std::string out;
  int depth = 0;
  for (const char c : text) {
    depth += c == '(' ? 1 : 0;
    if (depth == 0) {
      out += c;
    }
    depth -= c == ')' ? 1 : 0;
  }
  return out;
}

std::vector<Trace> read_traces() {
  std::ifstream file(FLOTILLA_SOURCE_DIR "/flotilla/resilience/testdata/breaker_traces.txt");
  std::vector<Trace> traces;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') {
      continue;
    }
    if (line[0] != ' ') {
      const auto brace = line.find(" {");
      traces.push_back({line.substr(0, brace), line.substr(brace + 2, line.find('}') - brace - 2), {}});
      continue;
    }
    std::istringstream steps(without_comments(line));
    for (std::string step; std::getline(steps, step, '|');) {
      traces.back().steps.push_back(step);
    }
  }
  return traces;
}

std::int64_t number(std::string_view text) {
  const auto value = parse_int<std::int64_t>(text);
  EXPECT_TRUE(value.has_value()) << "not a number: " << text;
  return value.value_or(0);
}

void set_parameter(BreakerConfig& c, const std::string& key, const std::string& value) {
  const auto count = [&] { return static_cast<std::uint32_t>(number(value)); };
  if (key == "consecutive") {
    c.consecutive = count();
  } else if (key == "eval") {
    c.evaluate = value == "fail" ? Evaluate::failure : Evaluate::any;
  } else if (key == "open") {
    c.open = Millis(number(value));
  } else if (key == "mult") {
    c.mult = std::stod(value);
  } else if (key == "edge") {
    c.edge = value == "after" ? Edge::after : Edge::at;
  } else if (key == "excluded") {
    c.excluded_as = value == "success" ? CountAs::success : CountAs::ignore;
  } else if (key == "close") {
    const auto colon = value.find(':');
    c.close.kind = value.substr(0, colon) == "rate" ? CloseRule::Kind::rate : CloseRule::Kind::successes;
    c.close.n = static_cast<std::uint32_t>(number(value.substr(colon + 1)));
  } else if (key == "window") {
    c.window.kind = value == "count" ? WindowShape::Kind::count : WindowShape::Kind::time;
  } else if (key == "size") {
    c.window.size = count();
  } else if (key == "len") {
    c.window.length = Millis(number(value));
  } else if (key == "buckets") {
    c.window.buckets = count();
  } else if (key == "min") {
    c.min_calls = count();
  } else if (key == "rate") {
    c.rate = std::stod(value);
  } else if (key == "slow") {
    c.slow_call = Millis(number(value));
  } else if (key == "slow_rate") {
    c.slow_rate = std::stod(value);
  } else if (key == "ptotal") {
    c.probes_total = count();
  } else if (key == "pconc") {
    c.probes_at_once = count();
  } else if (key == "hdl") {
    c.half_open_max = Millis(number(value));
  } else if (key == "late") {
    c.late = value == "count" ? LateResults::count : LateResults::drop;
  } else if (key == "retry_after") {
    c.honour_retry_after = value == "max";
  } else if (key == "ra_cap") {
    c.retry_after_cap = Millis(number(value));
  } else {
    ADD_FAILURE() << "unknown parameter " << key;
  }
}

BreakerConfig parse_parameters(const std::string& text) {
  BreakerConfig c;
  c.consecutive = 0;
  c.rate = 0;
  c.window.kind = WindowShape::Kind::none;
  c.evaluate = Evaluate::any;
  c.open = Millis(1000);
  c.mult = 1;
  c.max = std::chrono::hours(1);
  c.jitter = 0;
  c.close.n = 1;
  c.half_open_max = Duration::zero();
  std::istringstream in(text);
  for (std::string pair; in >> pair;) {
    const auto equals = pair.find('=');
    set_parameter(c, pair.substr(0, equals), pair.substr(equals + 1));
  }
  return c;
}

// Plays the steps of one trace.
class Player {
 public:
  explicit Player(const BreakerConfig& config) : config_(config) {
    auto made = CircuitBreaker::create(config, at(0), 1);
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message);
    breaker_ = std::move(*made);
  }

  void play(const std::string& step) {
    SCOPED_TRACE(step);
    std::istringstream in(step);
    std::int64_t ms = 0;
    std::string op;
    std::string state;
    in >> ms >> op >> state;
    now_ = at(ms);
    const bool rejection_expected = state == "x";
    if (rejection_expected) {
      in >> state;
    }
    rejected_ = false;
    operate(op);
    EXPECT_EQ(rejected_, rejection_expected);
    const BreakerSnapshot seen = breaker_->snapshot(now_);
    EXPECT_EQ("COH"[static_cast<int>(seen.state)], state[0]);
    for (std::string expected; in >> expected;) {
      expect(expected, seen);
    }
  }

 private:
  static Instant at(std::int64_t ms) { return Instant(std::chrono::hours(1) + Millis(ms)); }

  void operate(const std::string& op) {
    if (op == "look") {
      breaker_->look(now_);
    } else if (op[0] == '!') {
      command(op.substr(1));
    } else if (op[0] == 'a') {
      acquire(op.substr(1));
    } else {
      complete(op);
    }
  }

  void command(const std::string& verb) {
    if (verb == "open") {
      EXPECT_TRUE(breaker_->open(now_));
    } else if (verb == "close") {
      breaker_->close(now_);
    } else if (verb.starts_with("open=")) {
      config_.open = Millis(number(verb.substr(5)));
      auto next = CircuitBreaker::create_successor(*breaker_, config_, now_);
      ASSERT_TRUE(next.has_value());
      breaker_ = std::move(*next);
    } else {
      const std::map<std::string, BreakerMode> modes{{"mode=observe", BreakerMode::observe},
                                                     {"mode=forced", BreakerMode::forced_open},
                                                     {"mode=disabled", BreakerMode::disabled},
                                                     {"mode=auto", BreakerMode::automatic}};
      breaker_->set_mode(modes.at(verb), now_);
    }
  }

  void acquire(const std::string& id) {
    auto permit = breaker_->acquire(now_);
    rejected_ = !permit.has_value();
    if (permit) {
      permits_.insert_or_assign(id, std::move(*permit));
    }
  }

  void complete(const std::string& op) {
    const std::map<char, Outcome> outcomes{{'S', Outcome::success},
                                           {'F', Outcome::failure},
                                           {'E', Outcome::excluded},
                                           {'I', Outcome::excluded},
                                           {'C', Outcome::cancelled}};
    std::string rest = op.substr(1);
    Duration took{0};
    Duration retry_after{0};
    if (rest.starts_with('~')) {
      took = Millis(number(rest.substr(1)));
      rest.clear();
    } else if (rest.starts_with('r')) {
      retry_after = Millis(number(rest.substr(1)));
      rest.clear();
    }
    if (rest.empty()) {
      acquire(rest);
      if (rejected_) {
        return;
      }
    }
    const auto found = permits_.find(rest);
    ASSERT_NE(found, permits_.end()) << "no permit " << rest;
    breaker_->complete(std::move(found->second), outcomes.at(op[0]), now_, took, retry_after);
    permits_.erase(found);
  }

  void expect(const std::string& check, const BreakerSnapshot& seen) {
    const auto equals = check.find('=');
    const std::string name = check.substr(0, equals);
    const std::int64_t dl = seen.retry_at ? (*seen.retry_at - at(0)) / Millis(1) : -1;
    const std::map<std::string, std::int64_t> values{{"k", static_cast<std::int64_t>(seen.failures)},
                                                     {"n", seen.window.calls},
                                                     {"f", seen.window.failures},
                                                     {"late", static_cast<std::int64_t>(seen.late)},
                                                     {"ev", static_cast<std::int64_t>(seen.transitions)},
                                                     {"inf", seen.probes_in_flight},
                                                     {"dl", dl}};
    ASSERT_TRUE(values.contains(name)) << check;
    EXPECT_EQ(values.at(name), number(check.substr(equals + 1))) << name;
  }

  BreakerConfig config_;
  std::unique_ptr<CircuitBreaker> breaker_;
  std::map<std::string, BreakerPermit> permits_;
  Instant now_{};
  bool rejected_ = false;
};

TEST(BreakerTraces, AllHold) {
  const std::vector<Trace> traces = read_traces();
  ASSERT_EQ(traces.size(), 29U);
  std::size_t steps = 0;
  for (const Trace& trace : traces) {
    SCOPED_TRACE(trace.name);
    Player player(parse_parameters(trace.parameters));
    for (const std::string& step : trace.steps) {
      player.play(step);
      ++steps;
    }
  }
  EXPECT_EQ(steps, 189U);
}

}  // namespace
}  // namespace flotilla::resilience
