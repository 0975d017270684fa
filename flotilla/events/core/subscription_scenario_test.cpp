// Runs the golden scenarios of testdata/subscriptions.txt; their grammar is at its head.
#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "flotilla/base/duration_text.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/events/core/subscription_engine.hpp"

namespace flotilla::events {
namespace {

std::string take_word(std::string& line) {
  line.erase(0, std::min(line.find_first_not_of(' '), line.size()));
  const std::size_t end = std::min(line.find(' '), line.size());
  std::string word = line.substr(0, end);
  line.erase(0, std::min(end + 1, line.size()));
  return word;
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) {
    parts.push_back(part);
  }
  return parts;
}

Duration duration_of(const std::string& text) {
  std::size_t end = 0;
  const auto number = std::stoll(text, &end);
  const std::string unit = text.substr(end);
  if (unit == "ms") {
    return Millis(number);
  }
  return unit == "s" ? Duration(std::chrono::seconds(number)) : Duration(std::chrono::minutes(number));
}

constexpr const char* kVerbs[] = {"pause", "resume", "replay", "release"};
constexpr const char* kAlerts[] = {"gone",     "unauthorized",  "redirect", "dead-letter",
                                   "key-held", "too-many-keys", "at-bound"};
constexpr const char* kReplies[] = {"done", "unknown", "refused", "failed"};
constexpr const char* kPublished[] = {"dead", "success", "failure"};

// One scenario: an engine, and what was saved of it last.
class Scenario {
 public:
  void policy(std::string line) {
    for (std::string word = take_word(line); !word.empty(); word = take_word(line)) {
      const std::size_t equals = std::min(word.find('='), word.size());
      const std::string name = word.substr(0, equals);
      const std::string value = word.substr(std::min(equals + 1, word.size()));
      if (name == "order_by") {
        policy_.order_by = parse_order_by(value).value();
      } else if (name == "after") {
        policy_.after_dead_letter = parse_after_dead_letter(value).value();
      } else if (name == "concurrency") {
        policy_.concurrency = parse_int<std::uint32_t>(value).value();
      } else if (name == "attempts") {
        policy_.retry.attempts = parse_int<std::uint32_t>(value).value();
      } else if (name == "ahead") {
        policy_.ahead = parse_int<std::size_t>(value).value();
      } else if (name == "on_success") {
        policy_.on_success = value;
      } else if (name == "on_failure") {
        policy_.on_failure = value;
      } else if (name == "ack_timeout") {
        policy_.ack_timeout = duration_of(value);
      } else if (name == "by-hand") {
        by_hand_ = true;
      } else if (name == "bodies") {
        bodies_ = true;
      } else {
        ADD_FAILURE() << "unknown word " << word;
      }
    }
  }

  void start() {
    const auto good = check(policy_);
    ASSERT_TRUE(good) << good.error().message;
    restart();
    shown_.clear();
  }

  // What `line` causes.
  std::vector<std::string> run(std::string line) {
    shown_.clear();
    const std::string word = take_word(line);
    if (word == "arrive") {
      arrive(line);
    } else if (word == "answer") {
      answer(line);
    } else if (word == "ack") {
      input::Ack ack{.waiter = 1, .token = token_of(take_word(line))};
      ack.outcome = parse_event_outcome(take_word(line));
      ack.body = line;
      feed(std::move(ack));
    } else if (word == "pass") {
      pass(duration_of(take_word(line)));
    } else if (word == "commit") {
      commit();
    } else if (word == "fail") {
      feed(input::AppendFailed{});
    } else if (word == "load") {
      feed(input::Load{.progress = saved_});
    } else if (word == "stale") {
      feed(input::AppendFailed{.stale_epoch = true});
    } else if (word == "restart") {
      restart();
    } else if (word == "ready") {
      feed(input::Ready{});
    } else if (word == "redrive") {
      redrive(line);
    } else {
      operate(word, line);
    }
    return shown_;
  }

 private:
  void restart() {
    first_token_ += 1000;
    engine_.emplace(policy_, SubscriptionSeat{.seed = 7, .first_token = first_token_}, counters_);
    tokens_.clear();
    appending_.reset();
    ending_.clear();
    wake_ = kNever;
    const SubscriptionProgress saved = decode_progress(saved_.mark, encode_state(saved_)).value();
    EXPECT_EQ(saved, saved_);
    feed(input::Load{.progress = saved});
  }

  void arrive(std::string& line) {
    std::vector<ArrivedEvent> events;
    std::uint64_t read_to = 0;
    for (std::string word = take_word(line); !word.empty(); word = take_word(line)) {
      if (word.starts_with("..")) {
        read_to = parse_int<std::uint64_t>(word.substr(2)).value();
        continue;
      }
      const auto parts = split(word, '/');
      ArrivedEvent event{.position = parse_int<std::uint64_t>(parts[0]).value()};
      event.key = parts.size() > 1 ? parts[1] : "";
      for (std::size_t i = 2; i < parts.size(); ++i) {
        if (parts[i] == "filtered") {
          event.admission = ArrivedEvent::Admission::filtered;
        } else if (parts[i] == "broken") {
          event.admission = ArrivedEvent::Admission::broken;
          event.detail = "the filter fails";
        } else {
          EXPECT_TRUE(parts[i].starts_with("expires=")) << word;
          event.expires = now_.wall.ns_since_epoch / 1'000'000 + to_millis(duration_of(parts[i].substr(8)));
        }
      }
      event.event = std::make_shared<const journal::Event>(
          journal::Event{.attributes = {{"id", "e" + parts[0]}, {"source", "/t"}, {"type", "order"}},
                         .data = R"({"n":)" + parts[0] + "}"});
      read_to = std::max(read_to, event.position);
      events.push_back(std::move(event));
    }
    EXPECT_LE(events.size(), room_) << "more than was asked for";
    feed(input::Arrived{.fetch = fetch_, .events = std::move(events), .read_to = read_to});
  }

  // Letters that a person wants sent again, ID@POSITION[/KEY[/filtered|/broken]] each.
  void redrive(std::string& line) {
    for (std::string word = take_word(line); !word.empty(); word = take_word(line)) {
      const std::size_t at = word.find('@');
      const auto parts = split(word.substr(at + 1), '/');
      Redrive wanted{.letter = parse_int<std::uint64_t>(word.substr(0, at)).value()};
      wanted.arrived.position = parse_int<std::uint64_t>(parts[0]).value();
      wanted.arrived.key = parts.size() > 1 ? parts[1] : "";
      if (parts.size() > 2) {
        wanted.arrived.admission =
            parts[2] == "filtered" ? ArrivedEvent::Admission::filtered : ArrivedEvent::Admission::broken;
      }
      wanted.arrived.event = std::make_shared<const journal::Event>(
          journal::Event{.attributes = {{"id", "e" + parts[0]}, {"source", "/t"}, {"type", "order"}},
                         .data = R"({"n":)" + parts[0] + "}"});
      DeadLetter kept;
      kept.event = *wanted.arrived.event;
      wanted.kept = std::make_shared<const DeadLetter>(std::move(kept));
      letters_.insert_or_assign(wanted.letter, wanted);
    }
    feed(input::RedrivesWait{});
  }

  std::uint64_t token_of(const std::string& position) {
    const auto found = tokens_.find(parse_int<std::uint64_t>(position).value());
    return found == tokens_.end() ? 1 : found->second;  // 1: nobody's
  }

  void answer(std::string& line) {
    using Kind = DeliveryAnswer::Kind;
    input::Answer answer{.token = token_of(take_word(line))};
    const std::string said = take_word(line);
    answer.head.kind = said == "held-back"  ? Kind::held_back
                       : said == "not-sent" ? Kind::not_sent
                       : said == "lost"     ? Kind::lost
                                            : Kind::status;
    answer.head.status = parse_int<std::uint16_t>(said).value_or(0);
    for (;;) {
      std::string rest = line;
      const std::string word = take_word(rest);
      if (word.starts_with("retry-after=")) {
        answer.head.retry_after = duration_of(word.substr(12));
      } else if (word.starts_with("outcome=")) {
        answer.head.outcome = parse_event_outcome(word.substr(8));
      } else {
        break;
      }
      line = rest;
    }
    answer.body = line;
    feed(std::move(answer));
  }

  void operate(const std::string& verb, const std::string& line) {
    const auto* const found = std::ranges::find(kVerbs, verb);
    ASSERT_NE(found, std::end(kVerbs)) << "unknown word " << verb;
    input::Operate asked{.waiter = 1, .verb = static_cast<SubscriptionVerb>(found - kVerbs)};
    if (verb == "replay") {
      const std::size_t space = line.find(' ');
      asked.from = parse_int<std::uint64_t>(line.substr(0, space)).value();
      asked.to = space == std::string::npos ? 0 : parse_int<std::uint64_t>(line.substr(space + 1)).value();
    } else if (verb == "release") {
      asked.key = line;
    } else {
      asked.who_why = line;
    }
    feed(std::move(asked));
  }

  void pass(Duration time) {
    const Instant until = now_.mono + time;
    while (wake_ <= until) {
      move_to(std::max(wake_, now_.mono));
      wake_ = kNever;
      feed(input::Timer{});
    }
    move_to(until);
  }
  void move_to(Instant to) {
    now_.wall.ns_since_epoch += (to - now_.mono).count();
    now_.mono = to;
  }

  void commit() {
    ASSERT_TRUE(appending_) << "nothing is being appended";
    saved_ = *std::exchange(appending_, std::nullopt);
    for (const std::uint64_t letter : std::exchange(ending_, {})) {
      letters_.erase(letter);
    }
    feed(input::Appended{});
  }

  void feed(SubscriptionInput input) {
    for (SubscriptionEffect& effect : engine_->step(std::move(input), now_)) {
      std::visit([this](auto& each) { show(each); }, effect);
    }
    if (asked_) {
      const effect::FetchRedrives fetch = *std::exchange(asked_, std::nullopt);
      input::Redrives found{.fetch = fetch.fetch};
      for (const auto& [id, letter] : letters_) {
        if (!std::ranges::binary_search(fetch.had, id)) {
          found.letters.push_back(letter);
        }
      }
      feed(std::move(found));
    }
    if (appending_ && !by_hand_) {
      commit();
    }
  }

  void show(const effect::Fetch& fetch) {
    fetch_ = fetch.fetch;
    room_ = fetch.events;
  }
  void show(const effect::FetchRedrives& fetch) { asked_ = fetch; }
  void show(const effect::Wake& wake) { wake_ = wake.at; }
  void show(const effect::Send& send) {
    tokens_[send.position] = send.token;
    shown_.push_back("send " + std::to_string(send.position) + " attempt " + std::to_string(send.attempt) +
                     (send.replay ? " replay" : "") +
                     (send.letter == 0 ? "" : " of letter " + std::to_string(send.letter)));
  }
  void show(const effect::Append& append) {
    std::string line = "append mark=" + std::to_string(append.progress.mark);
    std::string ahead;
    for (const std::uint64_t position : append.progress.settled) {
      ahead += (ahead.empty() ? " settled=" : ",") + std::to_string(position);
    }
    line += ahead;
    if (append.progress.skip_until != 0) {
      line += " skips=" + std::to_string(append.progress.skip_after) + ".." +
              std::to_string(append.progress.skip_until);
    }
    if (append.progress.pause.reason != PauseReason::none) {
      line += " paused=" + std::string(to_string(append.progress.pause.reason));
    }
    for (const std::string& key : append.progress.held_keys) {
      line += " held=" + key;
    }
    for (const CausedEvent& each : append.caused) {
      line += " " + std::string(kPublished[static_cast<std::size_t>(each.kind)]) + ":" +
              std::string(each.event.attribute("id"));
      if (each.kind == CausedEvent::Kind::dead_letter) {
        line += "(" + std::string(each.event.attribute("deadletterreason")) + " " +
                std::string(each.event.attribute("deadlettercode")) + " " +
                std::string(each.event.attribute("deadletterattempts")) + ")";
      }
      line += bodies_ ? " " + each.event.data : "";
    }
    for (const RedriveOutcome& each : append.letters) {
      line += " letter:" + std::to_string(each.letter) + "(" + std::string(to_string(each.step.verb));
      line += each.step.verb != LetterVerb::returned
                  ? ")"
                  : " " + each.step.code + " " + std::to_string(each.step.attempts) + ")";
      ending_.push_back(each.letter);
    }
    shown_.push_back(line);
    appending_ = append.progress;
  }
  void show(const effect::Alert& alert) {
    shown_.push_back("alert " + std::string(kAlerts[static_cast<std::size_t>(alert.kind)]));
  }
  void show(const effect::Reply& reply) {
    shown_.push_back("reply " + std::string(kReplies[static_cast<std::size_t>(reply.what)]));
  }
  void show(const effect::Reload& /*reload*/) {
    shown_.emplace_back("reload");
    appending_.reset();
    ending_.clear();
    wake_ = kNever;
  }
  void show(const effect::Stop& /*stop*/) {
    shown_.emplace_back("stop");
    appending_.reset();
    wake_ = kNever;
  }

  SubscriptionPolicy policy_{.name = "s", .topic = "t", .dead_letter = "t.dead"};
  bool by_hand_ = false;  // commits
  bool bodies_ = false;   // of what is published are shown
  SubscriptionCounters counters_;
  std::optional<SubscriptionEngine> engine_;
  Now now_{.mono = Instant(std::chrono::hours(1)), .wall = {1'700'000'000'000'000'000}};
  Instant wake_ = kNever;
  std::uint64_t first_token_ = 0;
  std::uint64_t fetch_ = 0;
  std::size_t room_ = 0;
  std::map<std::uint64_t, std::uint64_t> tokens_;  // by position, of the last attempt
  SubscriptionProgress saved_;
  std::optional<SubscriptionProgress> appending_;
  std::map<std::uint64_t, Redrive> letters_;  // to be sent again, as the journal has it
  std::vector<std::uint64_t> ending_;         // of them, once `appending_` is durable
  std::optional<effect::FetchRedrives> asked_;
  std::vector<std::string> shown_;
};

TEST(SubscriptionScenario, AllOfThem) {
  std::ifstream file(FLOTILLA_SOURCE_DIR "/flotilla/events/testdata/subscriptions.txt");
  std::vector<std::pair<int, std::string>> lines;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (!line.empty() && line[0] != '#') {
      lines.emplace_back(number, line);
    }
  }
  std::optional<Scenario> scenario;
  int scenarios = 0;
  for (std::size_t i = 0; i < lines.size();) {
    auto [at, line] = lines[i++];
    const std::string word = take_word(line);
    if (word == "scenario") {
      scenario.emplace();
      ++scenarios;
      continue;
    }
    ASSERT_TRUE(scenario) << "line " << at;
    if (word == "policy") {
      scenario->policy(line);
      scenario->start();
      continue;
    }
    ASSERT_EQ(word, "do") << "line " << at;
    std::vector<std::string> expected;
    while (i < lines.size() && lines[i].second.starts_with("> ")) {
      expected.push_back(lines[i++].second.substr(2));
    }
    EXPECT_EQ(scenario->run(line), expected) << "line " << at << ": " << line;
  }
  EXPECT_GT(scenarios, 20);
}

}  // namespace
}  // namespace flotilla::events
