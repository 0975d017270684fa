#include "flotilla/cqrs/core/command_run.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/iso_time.hpp"
#include "flotilla/cqrs/core/aggregate_fold.hpp"
#include "flotilla/cqrs/core/command_record.hpp"
#include "flotilla/journal/core/topic.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs {
namespace {

// So many bytes of events after a snapshot are worth another one, however few they are.
constexpr std::size_t kSnapshotBytes = std::size_t{1} << 20;

CommandRefusal invalid(std::string detail) {
  return {.reason = Reason::invalid, .detail = std::move(detail), .code = {}, .service = {}, .effect = {}};
}

CommandRefusal broken(std::string detail) {
  return {.reason = Reason::store_unavailable,
          .detail = std::move(detail),
          .code = {},
          .service = {},
          .effect = Effect::none};
}

}  // namespace

std::expected<std::string, CommandRefusal> address_command(const Command& command, const json::Value& body) {
  if (command.schema) {
    if (const auto valid = command.schema->validate(body); !valid) {
      return std::unexpected(invalid(
          fmt::format("the body is not what command {} takes: {}", command.name, valid.error().summary())));
    }
  }
  auto id = command.id(body);
  if (!id) {
    return std::unexpected(invalid(
        fmt::format("command {} does not say which aggregate it is for: {}", command.name, id.error())));
  }
  return std::move(*id);
}

CommandRun::CommandRun(AggregatePtr aggregate, CommandPtr command, std::string id, CommandAsk ask,
                       EventRules rules, CommandFault planted)
    : aggregate_(std::move(aggregate)),
      command_(std::move(command)),
      id_(std::move(id)),
      ask_(std::move(ask)),
      rules_(std::move(rules)),
      planted_(planted),
      state_(aggregate_->initial) {}

CommandEffect CommandRun::begin(WallTime /*now*/) {
  if (ask_.key.empty()) {
    return next_check();
  }
  stage_ = Stage::finding_key;
  return effect::FindHolder{.scope = command_scope(command_->name),
                            .key = command_key(ask_.principal, ask_.key)};
}

CommandEffect CommandRun::step(CommandInput in, WallTime now) {
  FLOTILLA_ASSERT(stage_ != Stage::given);
  return std::visit([&](auto& what) { return on(std::move(what), now); }, in);
}

CommandEffect CommandRun::on(input::Failed in, WallTime /*now*/) { return refuse(std::move(in.refusal)); }

CommandEffect CommandRun::on(input::Holder in, WallTime now) {
  if (stage_ == Stage::finding_key) {
    return is_open(in.holder, now) ? known_key(*in.holder) : next_check();
  }
  if (stage_ == Stage::asking_again) {
    return is_open(in.holder, now) ? known_key(*in.holder) : refuse(std::move(*refused_));
  }
  if (stage_ == Stage::finding_answer) {
    if (!in.holder) {
      return refuse(broken(fmt::format("{} '{}' is missing", aggregate_->name, id_)));
    }
    stage_ = Stage::reading_answer;
    stream_ = in.holder->stream;
    return effect::ReadRecords{
        .stream = *stream_, .after = kept_.version - kept_.events, .limit = kept_.events};
  }
  FLOTILLA_ASSERT(stage_ == Stage::finding_aggregate);
  if (!in.holder) {
    return decide(now);
  }
  stream_ = in.holder->stream;
  if (aggregate_->snapshot_every == 0) {
    return read_on();
  }
  stage_ = Stage::reading_snapshot;
  return effect::ReadSnapshot{.stream = *stream_, .fold = snapshot_fold()};
}

bool CommandRun::is_open(const std::optional<journal::Holder>& holder, WallTime now) const {
  const std::int64_t now_ms = now.ns_since_epoch / 1'000'000;
  return holder && (holder->expires.value() > now_ms || planted(CommandFault::key_outlives_its_time));
}

// Whoever was quicker may have been the same request.
CommandEffect CommandRun::conflict(std::string detail) {
  refused_ = CommandRefusal{.reason = Reason::conflict,
                            .detail = std::move(detail),
                            .code = {},
                            .service = {},
                            .effect = Effect::none};
  if (ask_.key.empty()) {
    return refuse(std::move(*refused_));
  }
  stage_ = Stage::asking_again;
  return effect::FindHolder{.scope = command_scope(command_->name),
                            .key = command_key(ask_.principal, ask_.key)};
}

// P8: what the key has been answered is the answer, whatever is true now.
CommandEffect CommandRun::known_key(const journal::Holder& holder) {
  if (holder.hash != command_hash(ask_) && !planted(CommandFault::other_body_answered)) {
    return refuse({.reason = Reason::key_reused,
                   .detail = fmt::format("the Idempotency-Key was used for another body of command {}: a key "
                                         "is for one request",
                                         command_->name),
                   .code = {},
                   .service = {},
                   .effect = {}});
  }
  stage_ = Stage::reading_reply;
  return effect::ReadRecords{.stream = holder.stream, .after = 0, .limit = 1};
}

CommandEffect CommandRun::on(input::Records in, WallTime now) {
  switch (stage_) {
    case Stage::reading_reply:
      return take_reply(in);
    case Stage::reading_answer:
      return take_answer(std::move(in));
    default:
      FLOTILLA_ASSERT(stage_ == Stage::folding);
      return fold(std::move(in), now);
  }
}

CommandEffect CommandRun::take_reply(const input::Records& in) {
  if (in.records.size() != 1 || in.records.front().type != kReplyRecord) {
    return refuse(broken("the reply under this key has just been forgotten: use another key"));
  }
  auto kept = decode_reply(in.records.front().body);
  if (!kept) {
    return refuse(broken("the reply under this key cannot be read: " + kept.error().message));
  }
  kept_ = std::move(*kept);
  if (kept_.refused) {
    return refuse({.reason = Reason::refused,
                   .detail = kept_.message,
                   .code = kept_.code,
                   .service = {},
                   .effect = Effect::none},
                  true);
  }
  reply_ = {.id = kept_.id, .version = kept_.version, .position = in.records.front().position, .events = {}};
  if (planted(CommandFault::position_of_nothing)) {
    reply_.position = {};
  }
  if (kept_.events == 0) {
    return give(std::move(reply_), true);
  }
  stage_ = Stage::finding_answer;
  return effect::FindHolder{.scope = aggregate_scope(aggregate_->name), .key = kept_.id};
}

CommandEffect CommandRun::take_answer(input::Records in) {
  for (const KeptRecord& record : in.records) {
    auto event = journal::decode_event(record.body);
    if (!event) {
      return refuse(broken(fmt::format("event {} of {} '{}' cannot be read: {}", record.version,
                                       aggregate_->name, id_, event.error().message)));
    }
    reply_.events.push_back(std::move(*event));
    if (reply_.events.size() == kept_.events) {
      return give(std::move(reply_), true);
    }
  }
  if (in.records.empty()) {
    return refuse(broken(fmt::format("events of {} '{}' are missing", aggregate_->name, id_)));
  }
  return effect::ReadRecords{
      .stream = *stream_, .after = in.records.back().version, .limit = kept_.events - reply_.events.size()};
}

CommandEffect CommandRun::next_check() {
  if (check_ < command_->checks.size()) {
    stage_ = Stage::checking;
    return effect::RunCheck{check_++};
  }
  stage_ = Stage::finding_aggregate;
  return effect::FindHolder{.scope = aggregate_scope(aggregate_->name), .key = id_, .of_aggregate = true};
}

CommandEffect CommandRun::on(input::Checked in, WallTime /*now*/) {
  return in.refusal && !planted(CommandFault::check_ignored) ? refuse(std::move(*in.refusal)) : next_check();
}

CommandEffect CommandRun::on(input::SnapshotFound in, WallTime /*now*/) {
  if (in.version > 0) {
    if (State loaded = aggregate_->load(in.state)) {  // else it is none of ours: folding costs time only
      state_ = std::move(loaded);
      version_ = snapshot_ = in.version;
      counts_.from_snapshot = true;
      version_ += planted(CommandFault::event_skipped) ? 1 : 0;
    }
  }
  return read_on();
}

CommandEffect CommandRun::read_on() {
  stage_ = Stage::folding;
  return effect::ReadRecords{.stream = *stream_, .after = version_, .limit = kCommandPage};
}

CommandEffect CommandRun::fold(input::Records in, WallTime now) {
  for (const KeptRecord& record : in.records) {
    auto next = fold_record(*aggregate_, id_, state_, version_, record);
    if (!next) {
      return refuse(broken(std::move(next.error())));
    }
    state_ = std::move(*next);
    ++version_;
    ++counts_.loaded;
    tail_bytes_ += record.body.size();
  }
  if (!in.at_end) {
    return read_on();
  }
  seen_ = in.seen;
  return decide(now);
}

CommandEffect CommandRun::decide(WallTime now) {
  if (ask_.expected && *ask_.expected != version_ && !planted(CommandFault::precondition_ignored)) {
    return conflict(fmt::format("{} '{}' is at version {}, not {}: somebody else was quicker; read it again",
                                aggregate_->name, id_, version_, *ask_.expected));
  }
  auto verdict = command_->decide(state_, ask_.command);
  if (!verdict) {
    return refuse(invalid(fmt::format("command {} cannot be decided: {}", command_->name, verdict.error())));
  }
  if (auto* const decided = std::get_if<std::vector<NewEvent>>(&*verdict)) {
    return accept(std::move(*decided), now);
  }
  const Refused& refused = std::get<Refused>(*verdict);
  refused_ = CommandRefusal{.reason = Reason::refused,
                            .detail = refused.message,
                            .code = refused.code,
                            .service = {},
                            .effect = Effect::none};
  if (ask_.key.empty()) {
    return refuse(std::move(*refused_));
  }
  return commit({}, nullptr, &refused, now);
}

std::expected<journal::Event, CommandRefusal> CommandRun::event_of(NewEvent&& decided, std::uint64_t version,
                                                                   WallTime now) const {
  if (!journal::is_topic_name(decided.type)) {
    return std::unexpected(invalid(fmt::format(
        "command {} cannot be decided: the type '{}' of an event cannot be the name of a topic: it "
        "is letters, digits, '.', '_' and '-', at most {}",
        command_->name, decided.type.substr(0, journal::kMaxTopicName), journal::kMaxTopicName)));
  }
  // Unique, because a version is written once.
  std::string event_id = fmt::format("{}/{}/{}", aggregate_->name, id_, version);
  const std::string& correlation = ask_.correlation.empty() ? event_id : ask_.correlation;
  const std::string& causation = ask_.causation.empty() ? event_id : ask_.causation;
  journal::Event event{.attributes = {{"id", event_id},
                                      {"source", fmt::format("/aggregates/{}", aggregate_->name)},
                                      {"type", decided.type},
                                      {"subject", id_},
                                      {"datacontenttype", "application/json"},
                                      {"time", iso_time(now)},
                                      {"correlationid", correlation},
                                      {"causationid", causation}},
                       .data = json::write(decided.data)};
  if (const std::uint64_t form = newest_form(aggregate_->upcasts, decided.type); form > 1) {
    event.attributes.emplace_back(kDataVersion, std::to_string(form));
  }
  if (!ask_.traceparent.empty()) {
    event.attributes.emplace_back("traceparent", ask_.traceparent);
  }
  if (rules_) {
    if (auto refusal = rules_(decided.type, event, now)) {
      return std::unexpected(std::move(*refusal));
    }
  }
  if (event.attribute("partitionkey").empty()) {
    event.attributes.emplace_back("partitionkey", id_);
  }
  if (const std::size_t size = encode(event).size(); size > journal::kMaxBody) {
    return std::unexpected(CommandRefusal{
        .reason = Reason::too_large,
        .detail = fmt::format("an event has at most {} bytes, this one has {}", journal::kMaxBody, size),
        .code = {},
        .service = {},
        .effect = {}});
  }
  return event;
}

CommandEffect CommandRun::accept(std::vector<NewEvent> decided, WallTime now) {
  if (decided.size() > kMaxDecided) {
    return refuse(invalid(fmt::format("command {} cannot be decided: it gives {} events, the limit is {}",
                                      command_->name, decided.size(), kMaxDecided)));
  }
  std::vector<journal::Event> events;
  State after = state_;
  for (NewEvent& each : decided) {
    auto event = event_of(std::move(each), version_ + events.size() + 1, now);
    if (!event) {
      return refuse(std::move(event.error()));
    }
    // What cannot be folded must not be kept: no later command could be decided.
    auto next = fold_event(*aggregate_, after, *event);
    if (!next) {
      return refuse(invalid(fmt::format("command {} cannot be decided: its event {} cannot be folded: {}",
                                        command_->name, event->attribute("type"), next.error())));
    }
    after = std::move(*next);
    events.push_back(std::move(*event));
  }
  if (events.empty() && ask_.key.empty()) {
    return give({.id = id_, .version = version_, .position = seen_, .events = {}});
  }
  return commit(std::move(events), std::move(after), nullptr, now);
}

CommandEffect CommandRun::commit(std::vector<journal::Event> events, State after, const Refused* refused,
                                 WallTime now) {
  stage_ = Stage::committing;
  const std::uint64_t version = version_ + events.size();
  effect::Commit commit{.aggregate = aggregate_->name, .id = id_, .stream = stream_, .expected = version_};
  commit.time_ms = now.ns_since_epoch / 1'000'000;
  if (planted(CommandFault::no_expected_version)) {
    commit.expected.reset();
  }
  if (stream_ && !events.empty() && aggregate_->snapshot_every > 0 &&
      (version - snapshot_ >= aggregate_->snapshot_every || tail_bytes_ >= kSnapshotBytes)) {
    auto text = aggregate_->save(planted(CommandFault::snapshot_too_early) ? state_ : after);
    if (text && text->size() <= journal::kMaxSnapshot) {
      commit.snapshot = version;
      commit.fold = snapshot_fold();
      commit.state = std::move(*text);
    }
  }
  if (!ask_.key.empty() && !planted(CommandFault::key_not_claimed)) {
    commit.reply = KeptReply{.command = command_->name,
                             .id = id_,
                             .version = version,
                             .events = events.size(),
                             .refused = refused != nullptr,
                             .code = refused == nullptr ? std::string() : refused->code,
                             .message = refused == nullptr ? std::string() : refused->message};
    commit.scope = command_scope(command_->name);
    commit.key = command_key(ask_.principal, ask_.key);
    commit.hash = command_hash(ask_);
    commit.expires_ms = commit.time_ms + to_millis(aggregate_->keep_replies);
  }
  reply_ = {.id = id_, .version = version, .position = seen_, .events = events};
  commit.published = events.size() - (planted(CommandFault::topic_left_out) && !events.empty() ? 1 : 0);
  commit.events = std::move(events);
  counts_.snapshot_kept = commit.snapshot.has_value();
  if (planted(CommandFault::answer_before_append) && !refused_) {
    return give(std::move(reply_));
  }
  return commit;
}

CommandEffect CommandRun::on(input::Committed in, WallTime /*now*/) {
  if (refused_) {
    return refuse(std::move(*refused_));
  }
  reply_.position = in.position;
  return give(std::move(reply_));
}

CommandEffect CommandRun::on(input::Conflict in, WallTime now) {
  ++counts_.conflicts;
  refused_.reset();
  if (ask_.expected || retries_ >= aggregate_->retry_on_conflict) {
    if (!planted(CommandFault::endless_retries) || ask_.expected) {
      return conflict(fmt::format("{} '{}' was changed by others while this was decided{}: try again",
                                  aggregate_->name, id_,
                                  retries_ == 0 ? "" : fmt::format(", {} times", retries_ + 1)));
    }
  }
  ++retries_;
  if (!stream_) {
    stream_ = in.stream;
  }
  FLOTILLA_ASSERT(stream_.has_value());
  if (planted(CommandFault::stale_after_conflict) && in.actual > version_) {
    version_ = in.actual;
    return decide(now);
  }
  return read_on();
}

// Another request with the same key was quicker.
CommandEffect CommandRun::on(input::KeyHeld in, WallTime /*now*/) {
  if (planted(CommandFault::own_answer_kept)) {
    return give(std::move(reply_));
  }
  refused_.reset();
  return known_key(in.holder);
}

CommandEffect CommandRun::give(CommandReply reply, bool replayed) {
  stage_ = Stage::given;
  return effect::Give{{.outcome = std::move(reply), .replayed = replayed}};
}

CommandEffect CommandRun::refuse(CommandRefusal refusal, bool replayed) {
  stage_ = Stage::given;
  return effect::Give{{.outcome = std::unexpected(std::move(refusal)), .replayed = replayed}};
}

}  // namespace flotilla::cqrs
