#include "flotilla/cqrs/view_copier.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "flotilla/base/log.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/base/ulid.hpp"
#include "flotilla/cqrs/answer_body.hpp"
#include "flotilla/cqrs/core/copy_scripts.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::cqrs {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(50);
constexpr Duration kLastPause = std::chrono::seconds(2);
// A connection that lasted so long was a good one.
constexpr Duration kGood = std::chrono::seconds(5);
constexpr Duration kReadAgain = std::chrono::seconds(1);
constexpr Duration kTick = std::chrono::seconds(1);
constexpr Duration kDrain = std::chrono::seconds(2);
// A hot key that lost its copy, and nobody knows, has one again after so long.
constexpr Duration kOfferAgain = std::chrono::minutes(1);
constexpr std::size_t kWalkRows = 200;
constexpr std::string_view kScanKeys = "500";

std::uint64_t seed_of(std::string_view name) {
  return static_cast<std::uint64_t>(net::wall_now().ns_since_epoch) ^
         (std::hash<std::string_view>{}(name) << 1U) ^ (static_cast<std::uint64_t>(::getpid()) << 40U);
}

std::string identity_cursor(std::string_view view) { return fmt::format("copies/{}", view); }

}  // namespace

std::string_view to_string(CopyState state) noexcept {
  constexpr std::array<std::string_view, 5> names{"none", "disconnected", "copying", "complete",
                                                  "superseded"};
  return names[static_cast<std::size_t>(state)];
}

ViewCopier::ViewCopier(std::string name, Duration ttl, RedisAddress address, journal::Journal& journal,
                       ViewPtr view, CopyCounters& counters, net::Loop& loop, ViewSeat seat)
    : name_(std::move(name)),
      marker_(copy_marker_key(name_)),
      address_(std::move(address)),
      journal_(journal),
      view_(std::move(view)),
      loop_(loop),
      seat_(seat),
      random_(seed_of(name_)),
      engine_(ttl, CopyLimits{}, counters, random_.next()),
      door_(std::make_shared<CopyDoor>()) {
  door_->every = std::min<Duration>(ttl - ttl / 10, kOfferAgain);
  door_->loop = &loop_;
  door_->offer = [this](std::string key) { feed(copying::Offered{std::move(key)}); };
  view_->set_copies(door_);
  tasks_.spawn(link());
  tasks_.spawn(tick());
}

ViewCopier::~ViewCopier() {
  view_->set_copies(nullptr);
  door_->offer = nullptr;
  tasks_.cancel_all();
}

CopyState ViewCopier::state() const noexcept {
  return engine_.is_superseded()   ? CopyState::superseded
         : !engine_.is_connected() ? CopyState::disconnected
         : engine_.is_complete()   ? CopyState::complete
                                   : CopyState::copying;
}

bool ViewCopier::has_lease() const {
  const auto lease = journal_.ownership().lease(seat_.shard);
  return lease && lease->epoch == seat_.epoch;
}

void ViewCopier::served(const effect::Serve& serve, bool begins) {
  feed(copying::Served{.generation = serve.generation,
                       .position = serve.position.total(),
                       .keys = serve.changed,
                       .all = begins});
}

void ViewCopier::feed(CopyInput input) {
  inputs_.push_back(std::move(input));
  if (feeding_) {
    return;
  }
  feeding_ = true;
  while (!inputs_.empty()) {
    CopyInput next = std::move(inputs_.front());
    inputs_.pop_front();
    CopyEffects effects = engine_.step(std::move(next));
    for (CopyEffect& effect : effects) {
      std::visit([this](auto& each) { carry_out(each); }, effect);
    }
  }
  feeding_ = false;
  moved_.set();
}

net::Task<> ViewCopier::drain(Instant deadline) {
  const Instant end = std::min(deadline, saturating_add(loop_.now(), kDrain));
  while (engine_.is_connected() && !engine_.is_complete() && loop_.now() < end) {
    co_await moved_.wait(end);
  }
}

net::Task<> ViewCopier::tick() {
  for (;;) {
    co_await net::sleep_for(loop_, kTick);
    if (engine_.is_connected()) {
      feed(copying::Tick{});
    }
  }
}

void ViewCopier::complain(const std::string& why) {
  if (!std::exchange(complained_, true)) {
    log::warning(
        "view {}: no copies are written to {}: {}; the view itself is whole, and copies follow when "
        "it is there again",
        name_, address_.name(), why);
  }
}

void ViewCopier::carry_out(copying::Claim& claim) {
  wanted_ = std::move(claim);
  if (connection_) {
    connection_->close("its claim is not the last one any more");
  }
  wants_.set();
}

net::Task<> ViewCopier::link() {
  Duration pause{0};
  for (;;) {
    while (!wanted_) {
      co_await wants_.wait();
    }
    if (pause > Duration::zero()) {
      co_await net::sleep_for(loop_, pause);
    }
    pause = std::clamp(pause * 2, kFirstPause, kLastPause);
    if (const auto opened = co_await open(); !opened) {
      complain(opened.error().message);
      continue;
    }
    const copying::Claim wanted = std::move(*std::exchange(wanted_, std::nullopt));
    const Instant begun = loop_.now();
    claim(wanted);
    const std::string why = co_await connection_->run();
    connection_.reset();
    pause = loop_.now() - begun > kGood ? kFirstPause : pause;
    if (engine_.is_connected()) {
      complain(why);
      feed(copying::Lost{});
    } else if (!wanted_ && !engine_.is_superseded()) {
      complain(why);
      wanted_ = wanted;
    }
  }
}

net::Task<Result<>> ViewCopier::open() {
  if (auto known = co_await identify(); !known) {
    co_return std::unexpected(std::move(known.error()));
  }
  if (!resolver_) {
    auto resolver = net::Resolver::create(loop_);
    if (!resolver) {
      co_return std::unexpected(std::move(resolver.error()));
    }
    resolver_ = std::move(*resolver);
  }
  auto opened = co_await RedisConnection::open(loop_, *resolver_, address_);
  if (!opened) {
    co_return std::unexpected(std::move(opened.error()));
  }
  connection_ = std::move(*opened);
  for (const auto& [text, sha] : {std::pair(kClaimScript, &claim_script_), {kWriteScript, &write_script_}}) {
    const std::array<std::string_view, 3> command{"SCRIPT", "LOAD", text};
    auto reply = co_await connection_->ask(command);
    if (!reply || reply->kind != RedisReply::Kind::text) {
      connection_.reset();
      co_return fail(Errc::unavailable,
                     fmt::format("SCRIPT LOAD: {}", reply ? reply->text : reply.error().message));
    }
    *sha = std::move(reply->text);
  }
  co_return Result<>{};
}

net::Task<Result<>> ViewCopier::identify() {
  if (!journal_id_.empty()) {
    co_return Result<>{};
  }
  auto kept = co_await journal_.cursor(identity_cursor(name_));
  if (!kept) {
    co_return std::unexpected(std::move(kept.error()));
  }
  if (*kept) {
    journal_id_ = (*kept)->state;
    co_return Result<>{};
  }
  const std::string made = Ulid::make(net::wall_now(), random_).text();
  journal::Batch batch;
  batch.shard = seat_.shard;
  batch.epoch = seat_.epoch;
  batch.time = journal::UtcMillis(net::wall_now().ns_since_epoch / 1'000'000);
  batch.cursors.push_back({.name = identity_cursor(name_),
                           .record_class = journal::RecordClass::topic,
                           .category = identity_cursor(name_),  // no topic's: it holds nothing back
                           .position = {},
                           .state = made});
  if (const auto done = co_await journal_.append(std::move(batch)); !done) {
    co_return fail(Errc::unavailable, describe(done.error()));
  }
  journal_id_ = made;
  co_return Result<>{};
}

void ViewCopier::claim(const copying::Claim& claim) {
  const std::string token = Ulid::make(net::wall_now(), random_).text();
  const std::string epoch = std::to_string(seat_.epoch);
  const std::string batch = std::to_string(claim.batch);
  const std::array<std::string_view, 9> command{"EVALSHA", claim_script_, "1",   marker_,   journal_id_,
                                                epoch,     token,         batch, claim.last};
  connection_->send(command, [this, token](const RedisReply& reply) { claimed(token, reply); });
}

void ViewCopier::claimed(const std::string& claim, const RedisReply& reply) {
  const std::string_view verdict = reply.items.empty() ? std::string_view() : reply.items.front().text;
  if (verdict == "ok" && reply.items.size() == 7) {
    const auto number = [&](std::size_t i) {
      return parse_int<std::uint64_t>(reply.items[i].text).value_or(0);
    };
    if (std::exchange(complained_, false)) {
      log::info("view {}: copies are written to {} again", name_, address_.name());
    }
    feed(copying::Claimed{.claim = claim,
                          .same_journal = reply.items[1].text == journal_id_,
                          .before = {.journal = reply.items[1].text,
                                     .epoch = number(2),
                                     .claim = reply.items[3].text,
                                     .batch = number(4),
                                     .generation = number(5),
                                     .position = number(6)}});
  } else if (verdict == "newer") {
    feed(
        copying::Outdated{fmt::format("a later process of this journal writes them (epoch {}, this one has "
                                      "{}); if the journal was restored "
                                      "from a backup, delete the key {} and restart",
                                      reply.items.back().text, seat_.epoch, marker_)});
    connection_->close({});
  } else if (verdict == "taken") {
    feed(copying::Outdated{"another journal has begun to write them"});
    connection_->close({});
  } else {
    connection_->close(fmt::format("claiming: {}", reply.text));
  }
}

void ViewCopier::carry_out(const copying::Write& write) {
  std::vector<std::string> keys{marker_};
  std::vector<std::string> lives;
  for (const copying::Item& item : write.items) {
    keys.push_back(copy_key(name_, item.key));
    lives.push_back(item.body ? std::to_string(item.ttl_ms) : "0");
  }
  const std::string count = std::to_string(keys.size());
  const std::array<std::string, 3> numbers{std::to_string(write.batch), std::to_string(write.generation),
                                           std::to_string(write.position)};
  std::vector<std::string_view> command{"EVALSHA", write_script_, count};
  command.insert(command.end(), keys.begin(), keys.end());
  command.insert(command.end(), {write.claim, journal_id_, numbers[0], numbers[1], numbers[2]});
  for (std::size_t i = 0; i < write.items.size(); ++i) {
    const AnswerBody& body = write.items[i].body;
    command.insert(command.end(), {lives[i], body ? std::string_view(body->json) : std::string_view()});
  }
  connection_->send(command, [this, batch = write.batch](const RedisReply& reply) { wrote(batch, reply); });
}

void ViewCopier::wrote(std::uint64_t batch, const RedisReply& reply) {
  copying::Written written{.batch = batch};
  if (reply.kind == RedisReply::Kind::number) {
    written.not_taken = static_cast<std::uint64_t>(reply.number);
  } else if (reply.text == "refused") {
    written.outcome = copying::Outcome::refused;
  } else if (reply.text == "taken") {
    written.outcome = copying::Outcome::taken;
  } else if (reply.text == "unmarked") {
    written.outcome = copying::Outcome::unmarked;
  } else {
    connection_->close(fmt::format("writing: {}", reply.text));
    return;
  }
  feed(written);
}

void ViewCopier::carry_out(const copying::Scan& scan) {
  const std::string pattern = name_ + ":*";  // the name has nothing that a pattern would take for its own
  const std::array<std::string_view, 6> command{"SCAN", scan.cursor, "MATCH", pattern, "COUNT", kScanKeys};
  connection_->send(command, [this, sweep = scan.sweep](const RedisReply& reply) { scanned(sweep, reply); });
}

void ViewCopier::scanned(std::uint64_t sweep, const RedisReply& reply) {
  if (reply.items.size() != 2) {
    connection_->close(fmt::format("SCAN: {}", reply.text));
    return;
  }
  copying::Scanned out{.sweep = sweep, .keys = {}, .next = reply.items[0].text};
  for (const RedisReply& key : reply.items[1].items) {
    out.keys.push_back(key.text.substr(std::min(key.text.size(), name_.size() + 1)));
  }
  feed(std::move(out));
}

void ViewCopier::carry_out(const copying::Superseded& superseded) {
  if (has_lease()) {
    log::error("view {}: no copies are written to {} any more: {}", name_, address_.name(), superseded.why);
  } else {
    log::info("view {}: the copies in {} are written by another process, which runs the view now", name_,
              address_.name());
  }
  if (connection_) {
    connection_->close({});
  }
}

void ViewCopier::carry_out(copying::Load& load) { tasks_.spawn(this->load(std::move(load))); }

net::Task<> ViewCopier::load(copying::Load what) {
  for (;;) {
    if (const ServingPtr serving = view_->serving()) {
      journal::ReadToken position = serving->position();
      const auto whole = co_await read_whole(journal_, *serving, what.key);
      // Without either its rows may have been deleted by the process that runs the view now.
      const bool same = whole && view_->serving() == serving && (whole->position || has_lease());
      if (same) {
        if (whole->position && whole->whole) {
          if (position.shards() == 1) {
            position.advance_to(journal::Position(*whole->position));
          }
          serving->keep(what.key, whole->body, position);
        }
        const bool fits = whole->whole && (!whole->body || whole->body->json.size() <= CopyEngine::kMaxCopy);
        feed(copying::Loaded{.load = what.load,
                             .generation = serving->generation(),
                             .key = std::move(what.key),
                             .body = fits ? whole->body : nullptr,
                             .too_large = !fits});
        co_return;
      }
      if (whole && view_->serving() != serving) {
        continue;  // its rows may have been deleted meanwhile
      }
    }
    co_await net::sleep_for(loop_, kReadAgain);
  }
}

void ViewCopier::carry_out(copying::Walk& walk) { tasks_.spawn(this->walk(std::move(walk))); }

net::Task<> ViewCopier::walk(copying::Walk what) {
  for (;;) {
    auto page = co_await journal_.rows(journal::RowQuery{.table = rows_table(name_, what.generation),
                                                         .key = {},
                                                         .after = what.after,
                                                         .rows = kWalkRows,
                                                         .bytes = CopyEngine::kMaxCopy,
                                                         .cursor = {}});
    if (!page) {
      co_await net::sleep_for(loop_, kReadAgain);
      continue;
    }
    copying::Walked walked{.sweep = what.sweep, .keys = {}, .next = {}};
    for (journal::FoldRow& row : page->rows) {
      if (walked.keys.empty() || walked.keys.back() != row.name.key) {
        walked.keys.push_back(row.name.key);
      }
    }
    if (!page->at_end) {
      walked.next = std::move(page->rows.back().name);
    }
    feed(std::move(walked));
    co_return;
  }
}

}  // namespace flotilla::cqrs
