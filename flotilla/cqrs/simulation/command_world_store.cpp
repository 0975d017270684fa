#include <algorithm>

#include <fmt/format.h>

#include "flotilla/cqrs/command_answer.hpp"
#include "flotilla/cqrs/core/command_record.hpp"
#include "flotilla/cqrs/simulation/command_world.hpp"
#include "flotilla/journal/core/topic.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs::simulation {
namespace {

CommandRefusal away() { return {.reason = Reason::store_unavailable, .detail = "the store is away"}; }

// The memory answers before it returns.
template <class T, class Ask>
T answer_of(Ask ask) {
  std::optional<T> got;
  ask([&](T answer) { got.emplace(std::move(answer)); });
  FLOTILLA_ASSERT(got.has_value());
  return *std::move(got);
}

std::string bytes_of(const CommandAnswer& answer) {
  CommandAnswer plain = answer;
  plain.replayed = false;
  const http::Response response = command_answer(plain);
  std::string bytes = fmt::format("{} {}", response.status, response.body);
  for (const http::Field& field : response.headers) {
    bytes += fmt::format("\n{}: {}", field.name, field.value);
  }
  return bytes;
}

// What is one request: the body, and the version that it is for.
std::string request_of(const CommandAsk& ask) {
  return json::write(ask.command) + (ask.expected ? fmt::format(" at {}", *ask.expected) : "");
}

// What whoever asks under its key must be told.
CommandAnswer answer_to(const effect::Commit& commit, journal::Position position) {
  const KeptReply& reply = *commit.reply;
  if (reply.refused) {
    return {.outcome = std::unexpected(CommandRefusal{.reason = Reason::refused,
                                                      .detail = reply.message,
                                                      .code = reply.code,
                                                      .service = {},
                                                      .effect = Effect::none})};
  }
  return {.outcome = CommandReply{
              .id = reply.id, .version = reply.version, .position = position, .events = commit.events}};
}

std::uint64_t number(const json::Value& value) {
  return static_cast<std::uint64_t>(value.as_int().value_or(0));
}

}  // namespace

CommandInput CommandWorld::carry_out(Request& request) {
  if (auto* const wanted = std::get_if<effect::Commit>(&request.effect)) {
    return commit(request, *wanted);
  }
  if (const auto* const check = std::get_if<effect::RunCheck>(&request.effect)) {
    FLOTILLA_ASSERT(check->index == 0);
    if (!chance(odds_.refuse_check)) {
      return input::Checked{};
    }
    request.check_refused = true;
    coverage_.count(Event::check_refused);
    return input::Checked{CommandRefusal{.reason = Reason::refused, .detail = "no", .code = "check-refused"}};
  }
  if (chance(odds_.fail)) {
    return input::Failed{away()};
  }
  if (const auto* const find = std::get_if<effect::FindHolder>(&request.effect)) {
    return read(*find);
  }
  if (const auto* const snapshot = std::get_if<effect::ReadSnapshot>(&request.effect)) {
    const input::SnapshotFound found = read(*snapshot);
    const auto kept = snapshots_.find(request.run->id());
    coverage_.events[static_cast<std::size_t>(Event::snapshot_of_other_code)] +=
        found.version == 0 && kept != snapshots_.end() ? 1 : 0;
    coverage_.events[static_cast<std::size_t>(Event::snapshot_read)] += found.version > 0 ? 1 : 0;
    return found;
  }
  return read(std::get<effect::ReadRecords>(request.effect));
}

input::Holder CommandWorld::read(const effect::FindHolder& find) {
  return {*answer_of<Result<std::optional<journal::Holder>>>(
      [&](auto done) { journal_->find(find.scope, find.key, done); })};
}

input::SnapshotFound CommandWorld::read(const effect::ReadSnapshot& snapshot) {
  const auto found = *answer_of<Result<std::optional<journal::Snapshot>>>(
      [&](auto done) { journal_->snapshot(snapshot.stream, snapshot.fold, done); });
  return found ? input::SnapshotFound{.version = found->version, .state = found->state}
               : input::SnapshotFound{};
}

input::Records CommandWorld::read(const effect::ReadRecords& read) {
  // Small pages, so that states are folded from several.
  const auto page = *answer_of<Result<journal::Page>>([&](auto done) {
    journal_->read(journal::StreamQuery{.record_class = journal::RecordClass::aggregate,
                                        .stream = read.stream,
                                        .after_version = read.after,
                                        .limits = {.records = std::min<std::size_t>(read.limit, 3)}},
                   done);
  });
  input::Records in{.records = {}, .at_end = page.at_end, .seen = page.next};
  for (const journal::RecordPtr& each : page.records) {
    in.records.push_back({each->record.version, each->position, each->record.type, each->record.body});
  }
  return in;
}

CommandInput CommandWorld::commit(Request& request, const effect::Commit& commit) {
  if (request.check_refused) {
    violated("a command whose check said no is committed");
  }
  check_snapshot(commit);
  if (chance(odds_.fail)) {
    const bool kept = random_.below(2) == 0;
    if (kept) {
      (void)append(commit, request);
    }
    coverage_.count(kept ? Event::failed_written : Event::failed_unwritten);
    return input::Failed{away()};
  }
  return append(commit, request);
}

CommandInput CommandWorld::append(const effect::Commit& commit, Request& request) {
  for (;;) {
    CommandBatch built = make_batch(commit, topics_, {.shard = 0, .shards = 1, .epoch = journal_->epoch()});
    const auto done =
        answer_of<journal::AppendResult>([&](auto told) { journal_->append(std::move(built.batch), told); });
    if (done) {
      for (std::size_t i = 0; i < built.created.size(); ++i) {
        if (!built.created[i].empty()) {
          topics_.insert_or_assign(built.created[i], done->created[i]);
          coverage_.count(Event::topic_created);
        }
      }
      committed(request, commit, done->position);
      return input::Committed{done->position};
    }
    if (const auto* const conflict = std::get_if<journal::VersionConflict>(&done.error())) {
      return input::Conflict{.actual = conflict->actual, .stream = conflict->stream};
    }
    const auto* const taken = std::get_if<journal::KeyTaken>(&done.error());
    if (taken == nullptr) {
      violated("the batch is refused: " + describe(done.error()));
      return input::Failed{away()};
    }
    if (taken->scope == journal::kTopicScope) {
      topics_.insert_or_assign(taken->key, taken->holder.stream);
      continue;
    }
    if (taken->scope == commit.scope) {
      request.raced_key = true;
      coverage_.count(Event::key_raced);
      return input::KeyHeld{taken->holder};
    }
    request.raced_creation = true;
    coverage_.count(Event::creation_raced);
    return input::Conflict{.actual = 0, .stream = taken->holder.stream};
  }
}

// What is durable now.
void CommandWorld::committed(Request& request, const effect::Commit& commit, journal::Position position) {
  const Wish& wish = wishes_[request.wish];
  ++request.commits;
  ++coverage_.commits;
  coverage_.events[static_cast<std::size_t>(Event::created)] +=
      commit.stream || commit.events.empty() ? 0 : 1;
  versions_[wish.id] += commit.events.size();
  kept_events_ += commit.events.size();
  note(fmt::format("wish {} commits {} events, version {}", request.wish, commit.events.size(),
                   versions_[wish.id]));
  // Nothing that is decided on nothing happens when it was read.
  const bool stands = commit.stream || !commit.events.empty();
  if (stands && wish.ask.expected && *wish.ask.expected + commit.events.size() != versions_[wish.id]) {
    violated(fmt::format("P6: what was asked for at version {} is committed at {}", *wish.ask.expected,
                         versions_[wish.id] - commit.events.size()));
  }
  if (commit.snapshot) {
    snapshots_[wish.id] = commit.fold;
    coverage_.count(Event::snapshot_kept);
  }
  if (wish.ask.key.empty()) {
    return;
  }
  std::vector<Known>& known = keys_[wish.command + wish.ask.key];
  if (!known.empty() && known.back().expires_ms > commit.time_ms) {
    violated(fmt::format("P8: key {} is executed twice", wish.ask.key));
  }
  known.push_back({.body = request_of(wish.ask),
                   .expires_ms = commit.time_ms + to_millis(code()->keep_replies),
                   .answer = commit.reply ? bytes_of(answer_to(commit, position)) : std::string()});
}

// A snapshot is the fold from scratch, up to its version, by the code that it names.
void CommandWorld::check_snapshot(const effect::Commit& commit) {
  if (!commit.snapshot || !commit.stream || !commit.expected) {
    return;
  }
  State state = code()->initial;
  std::uint64_t version = 0;
  const auto fold = [&](const journal::Event& event) {
    state = *code()->evolve(state, *read_values(event));
    ++version;
  };
  for (const journal::RecordPtr& each : all(journal::RecordClass::aggregate, "")) {
    if (each->record.stream == *commit.stream && version < *commit.expected) {
      fold(*journal::decode_event(each->record.body));
    }
  }
  std::ranges::for_each(commit.events, fold);
  if (version != *commit.snapshot || commit.state != *code()->save(state)) {
    violated(fmt::format("the snapshot at version {} of {} is not its fold", *commit.snapshot, commit.id));
  }
}

void CommandWorld::given(Request& request, const CommandAnswer& answer) {
  Wish& wish = wishes_[request.wish];
  const std::string bytes = bytes_of(answer);
  note(fmt::format("wish {} is answered {}", request.wish, bytes.substr(0, bytes.find('\n'))));
  if (request.run->counts().conflicts > code()->retry_on_conflict + 1) {
    violated("it is decided again for ever");
  }
  coverage_.events[static_cast<std::size_t>(Event::decided_again)] +=
      answer.outcome && !answer.replayed && request.run->counts().conflicts > 0 ? 1 : 0;
  check_reply(request, answer);
  if (!wish.ask.key.empty()) {
    check_key(request, answer, bytes);
  }
  const Reason reason = answer.outcome ? Reason::draining : answer.outcome.error().reason;
  if (reason == Reason::conflict) {
    coverage_.count(wish.ask.expected ? Event::precondition_failed : Event::conflict_given);
    if (request.commits != 0) {
      violated("a conflict is answered, and something was committed");
    }
    wish.answered = wish.ask.expected.has_value();  // for ever
  }
  wish.answered = wish.answered || answer.outcome || reason == Reason::refused ||
                  reason == Reason::key_reused || answer.replayed;
}

void CommandWorld::check_reply(const Request& request, const CommandAnswer& answer) {
  const Wish& wish = wishes_[request.wish];
  if (!answer.outcome) {
    if (answer.outcome.error().reason == Reason::refused && !answer.replayed) {
      coverage_.count(wish.ask.key.empty() || request.check_refused ? Event::refused : Event::refusal_kept);
      if (!wish.ask.key.empty() && !request.check_refused && request.commits != 1) {
        violated("a refusal is answered under a key before it is kept");
      }
    }
    return;
  }
  const CommandReply& reply = *answer.outcome;
  coverage_.count(answer.replayed        ? Event::replayed
                  : reply.events.empty() ? Event::no_events
                                         : Event::accepted);
  if (!answer.replayed && (!reply.events.empty() || !wish.ask.key.empty()) && request.commits != 1) {
    violated(fmt::format("it is answered that wish {} is executed, before it is", request.wish));
    return;
  }
  const std::uint64_t before = reply.version - reply.events.size();
  if (wish.ask.expected) {
    coverage_.count(Event::precondition_held);
    if (*wish.ask.expected != before) {
      violated(fmt::format("P6: asked for at version {}, executed at {}", *wish.ask.expected, before));
    }
  }
  std::size_t seen = 0;
  for (std::size_t i = 0; i < reply.events.size(); ++i) {
    const journal::Event& event = reply.events[i];
    const auto data = json::parse(event.data);
    if (!data || number((*data)["n"]) != before + i + 1) {
      violated(fmt::format("P7: event {} of version {} says it is {}", i, before + i + 1, event.data));
    }
    for (const journal::RecordPtr& copy :
         all(journal::RecordClass::topic, std::string(event.attribute("type")))) {
      const auto kept = journal::decode_event(copy->record.body);
      if (kept && kept->attribute("id") == event.attribute("id")) {
        ++seen;
        if (!reply.position.covers(copy->position)) {
          violated("the position that is answered is before the event");
        }
      }
    }
  }
  if (seen != reply.events.size()) {
    violated(fmt::format("{} of {} events are in their topics once", seen, reply.events.size()));
  }
}

// P8: within its time a key has one answer, and it is what was committed under it.
void CommandWorld::check_key(const Request& request, const CommandAnswer& answer, const std::string& bytes) {
  const Wish& wish = wishes_[request.wish];
  // A request that was long under way may have seen any that held between its begin and its end.
  std::vector<const Known*> seen;
  for (const Known& each : keys_[wish.command + wish.ask.key]) {
    if (each.expires_ms > request.began_ms) {
      seen.push_back(&each);
    }
  }
  const std::string body = request_of(wish.ask);
  const auto has_body = [&](const Known* each) { return each->body == body; };
  const Reason reason = answer.outcome ? Reason::draining : answer.outcome.error().reason;
  if (reason == Reason::key_reused) {
    coverage_.count(Event::key_reused);
    if (std::ranges::all_of(seen, has_body)) {
      violated(fmt::format("key {} was not used for another body", wish.ask.key));
    }
    return;
  }
  const bool decided =
      answer.outcome || answer.replayed || (reason == Reason::refused && !request.check_refused);
  if (!decided) {
    return;
  }
  if (answer.replayed) {
    coverage_.events[static_cast<std::size_t>(Event::refusal_replayed)] += answer.outcome ? 0 : 1;
    coverage_.events[static_cast<std::size_t>(Event::key_asked_again)] +=
        request.run->counts().conflicts > 0 && !request.raced_key && !request.raced_creation ? 1 : 0;
  }
  std::erase_if(seen, [&](const Known* each) { return !has_body(each); });
  if (seen.empty()) {
    violated(fmt::format("P8: key {} is answered, and nothing is kept under it for that body", wish.ask.key));
    return;
  }
  if (std::ranges::none_of(seen, [&](const Known* each) { return each->answer == bytes; })) {
    violated(
        fmt::format("P8: key {} is answered\n{}\nand not\n{}", wish.ask.key, bytes, seen.back()->answer));
  }
}

std::vector<journal::RecordPtr> CommandWorld::all(journal::RecordClass record_class,
                                                  const std::string& category) {
  std::vector<journal::RecordPtr> records;
  journal::CategoryQuery query{.record_class = record_class, .category = category};
  query.limits = {.records = journal::kMaxPageRecords, .bytes = journal::kMaxPageBytes};
  for (;;) {
    const auto page = *answer_of<Result<journal::Page>>([&](auto done) { journal_->read(query, done); });
    records.insert(records.end(), page.records.begin(), page.records.end());
    if (page.at_end) {
      return records;
    }
    query.after = page.next;
  }
}

// P6, P7: every event was decided on exactly the state before it; topics have the same, in the same order.
void CommandWorld::check_end() {
  std::map<journal::StreamId, std::pair<std::uint64_t, std::uint64_t>> states;  // count and sum
  std::map<std::string, std::vector<std::string>> by_topic;                     // bodies of a stream's events
  std::uint64_t count = 0;
  for (const journal::RecordPtr& each : all(journal::RecordClass::aggregate, "")) {
    if (each->record.type != kAggregateEvent) {
      continue;
    }
    const auto event = journal::decode_event(each->record.body);
    const auto data = json::parse(event->data);
    auto& [n, sum] = states[each->record.stream];
    ++n;
    sum += number((*data)["by"]);
    ++count;
    by_topic[std::string(event->attribute("type"))].push_back(each->record.body);
    if (each->record.version != n || number((*data)["n"]) != n || number((*data)["sum"]) != sum) {
      violated(fmt::format("P6: version {} was decided on another state: {} (sum {})", n, event->data, sum));
      return;
    }
  }
  if (count != kept_events_) {
    violated(fmt::format("{} events are kept, {} were committed", count, kept_events_));
  }
  for (const auto& [topic, bodies] : by_topic) {
    std::vector<std::string> copies;
    for (const journal::RecordPtr& each : all(journal::RecordClass::topic, topic)) {
      copies.push_back(each->record.body);
    }
    if (copies != bodies) {
      violated(fmt::format("topic {} is not what the aggregates have decided", topic));
    }
  }
  for (const Wish& wish : wishes_) {
    if (!wish.ask.key.empty() && !wish.answered) {
      violated("a client with a key has no answer in the end");
    }
  }
}

}  // namespace flotilla::cqrs::simulation
