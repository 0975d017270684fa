#include "flotilla/events/declared_subscriptions.hpp"

#include <algorithm>
#include <future>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "flotilla/base/log.hpp"
#include "flotilla/config/node.hpp"
#include "flotilla/events/core/read_token.hpp"
#include "flotilla/events/publisher.hpp"
#include "flotilla/events/subscription_batch.hpp"
#include "flotilla/events/subscription_config_reader.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

using journal::RecordClass;
using journal::StreamId;

constexpr std::string_view kHomePrefix = "subscription/";

// Blocks until the journal has called back. Only before a loop runs.
template <class T, class Ask>
T wait_for(Ask ask) {
  std::promise<T> answer;
  ask([&answer](T value) { answer.set_value(std::move(value)); });
  return answer.get_future().get();
}

Refusal refusal_of(const Error& error) {
  return {.reason = error.code == Errc::limit ? Reason::overloaded : Reason::store_unavailable,
          .detail = error.message,
          .retry_after = std::chrono::seconds(1)};
}

std::unexpected<Refusal> again(Reason reason, std::string detail) {
  return std::unexpected(
      Refusal{.reason = reason, .detail = std::move(detail), .retry_after = std::chrono::seconds(1)});
}

journal::SummaryQuery all_rows(StreamId after) {
  return {.record_class = RecordClass::queue,
          .name = std::string(kDeclarationRow),
          .state = {},
          .newest_first = false,
          .after = after,
          .limit = journal::kMaxSummaries,
          .search = {}};
}

journal::StreamQuery last_record(StreamId stream, std::uint64_t version) {
  return {.record_class = RecordClass::queue, .stream = stream, .after_version = version - 1};
}

bool is_forgotten(const journal::Summary& row) { return row.state == to_string(DeclarationState::forgotten); }

}  // namespace

std::uint32_t DeclaredSubscriptions::home(std::string_view name) const {
  return home_shard(fmt::format("{}{}", kHomePrefix, name), journal_.shards());
}

Result<> DeclaredSubscriptions::load() {
  for (StreamId after;;) {
    const auto rows = wait_for<Result<std::vector<journal::Summary>>>(
        [&](auto done) { journal_.list(all_rows(after), std::move(done)); });
    if (!rows) {
      return std::unexpected(rows.error());
    }
    for (const journal::Summary& row : *rows) {
      after = row.stream;
      const auto read = read_declaration_row(row.attributes);
      if (!read) {
        return std::unexpected(read.error());
      }
      if (is_forgotten(row)) {
        continue;
      }
      const auto page = wait_for<Result<journal::Page>>(
          [&](auto done) { journal_.read(last_record(row.stream, read->version), std::move(done)); });
      if (auto taken = take_record(row.stream, read->version, page); !taken) {
        return taken;
      }
    }
    if (rows->size() < journal::kMaxSummaries) {
      return {};
    }
  }
}

std::vector<SubscriptionPtr> DeclaredSubscriptions::all() const {
  std::vector<SubscriptionPtr> found;
  for (const auto& [name, entry] : entries_) {
    if (entry.subscription) {
      found.push_back(entry.subscription);
    }
  }
  return found;
}

Result<> DeclaredSubscriptions::take_record(StreamId stream, std::uint64_t version,
                                            const Result<journal::Page>& page) {
  if (!page) {
    return std::unexpected(page.error());
  }
  if (page->records.empty() || page->records.back()->record.type != kDeclarationRecord) {
    return fail(Errc::invalid,
                fmt::format("stream {}, the declaration of a subscription, is damaged", stream.value()));
  }
  auto declaration = decode_declaration(page->records.back()->record.body);
  if (!declaration) {
    return std::unexpected(std::move(declaration.error()));
  }
  put_entry(stream, std::max(version, page->records.back()->record.version), *std::move(declaration));
  return {};
}

void DeclaredSubscriptions::put_entry(StreamId stream, std::uint64_t version, Declaration declaration) {
  if (declaration.state == DeclarationState::forgotten) {
    entries_.erase(declaration.name);
    return;
  }
  Entry entry{.stream = stream, .version = version, .declaration = {}, .subscription = nullptr};
  if (declaration.state == DeclarationState::declared) {
    auto made = read(declaration);
    if (made) {
      entry.subscription = *std::move(made);
    } else {
      log::error("subscription {}, declared at run time, does not run: {}", declaration.name,
                 made.error().detail);
    }
  }
  entry.declaration = std::move(declaration);
  std::string name = entry.declaration.name;
  entries_.insert_or_assign(std::move(name), std::move(entry));
}

// As the file's are read, but that ${...} finds nothing.
Asked<SubscriptionPtr> DeclaredSubscriptions::read(const Declaration& declaration) const {
  if (declaration.text.size() > kMaxDeclaration) {
    return refuse(Reason::too_large, fmt::format("a declaration has at most {} bytes", kMaxDeclaration));
  }
  const auto json = json::parse(declaration.text);
  if (!json) {
    return refuse(Reason::malformed, "the body is not JSON: " + json.error().message);
  }
  const config::Sources nothing{.environment = [](const std::string&) { return std::nullopt; },
                                .file = [](const std::string&) { return std::nullopt; }};
  std::string text = declaration.text;
  std::ranges::replace(text, '\t', ' ');  // JSON has them between tokens only, and YAML not at all
  config::Problems problems;
  const auto node = config::parse_document(text, nothing, problems);
  auto made = node ? read_subscription(declaration.name, node->place, *node, problems) : std::nullopt;
  if (!made || !problems.empty()) {
    return refuse(Reason::invalid, fmt::format("{}", fmt::join(problems.lines("body"), "; ")));
  }
  made->declared = true;
  made->start = declaration.start;
  return std::make_shared<const Subscription>(*std::move(made));
}

std::optional<journal::Batch> DeclaredSubscriptions::batch_for(std::uint32_t shard) const {
  const auto lease = journal_.ownership().lease(shard);
  if (!lease) {
    return std::nullopt;
  }
  journal::Batch batch;
  batch.shard = shard;
  batch.epoch = lease->epoch;
  batch.time = journal::UtcMillis(net::wall_now().ns_since_epoch / 1'000'000);
  return batch;
}

net::Task<Asked<bool>> DeclaredSubscriptions::stood(std::string name, std::string topic) {
  bool any = false;
  for (std::uint32_t shard = 0; shard < journal_.shards(); ++shard) {
    const auto cursor =
        co_await journal_.cursor(cursor_name(name, {.shard = shard, .shards = journal_.shards()}));
    if (!cursor) {
      co_return std::unexpected(refusal_of(cursor.error()));
    }
    if (*cursor && !topic.empty() && (*cursor)->category != topic) {
      co_return refuse(
          Reason::conflict,
          fmt::format("a subscription '{}' has come so far in topic {}: take another name, or forget "
                      "that one first",
                      name, (*cursor)->category));
    }
    any = any || *cursor;
  }
  co_return any;
}

net::Task<Asked<bool>> DeclaredSubscriptions::put(std::string name, std::string text, std::string who) {
  if (around_.in_file(name)) {
    co_return refuse(Reason::conflict,
                     fmt::format("the file names subscription '{}': change it there", name));
  }
  Declaration declaration{
      .name = name, .text = std::move(text), .start = {}, .who = std::move(who), .why = {}};
  const auto made = read(declaration);
  if (!made) {
    co_return std::unexpected(made.error());
  }
  const Subscription& wanted = **made;
  if (!around_.has_service(wanted.deliver->service())) {
    co_return refuse(Reason::invalid,
                     fmt::format("deliver: the file names no service '{}'; a service that is called "
                                 "stands under `services:`",
                                 wanted.deliver->service().value()));
  }
  const auto known = entries_.find(name);
  const bool is_new = known == entries_.end();
  if (!is_new && known->second.declaration.state == DeclarationState::forgetting) {
    co_return again(Reason::conflict, fmt::format("subscription '{}' is being forgotten: ask again", name));
  }
  if (!is_new && known->second.subscription && known->second.subscription->written == wanted.written) {
    co_return false;
  }
  if (is_new && entries_.size() + around_.file_count() >= kMaxSubscriptions) {
    co_return refuse(
        Reason::conflict,
        fmt::format("there are {} subscriptions, and no more can be: forget some", kMaxSubscriptions));
  }
  if (const auto before = co_await stood(name, wanted.policy.topic); !before) {
    co_return std::unexpected(before.error());
  }
  ReadToken start(journal_.shards());
  for (std::uint32_t shard = 0; shard < journal_.shards() && !wanted.from_start; ++shard) {
    start.move_to(journal_.position(shard));
  }
  declaration.start = start.text();
  const auto written = co_await write(std::move(declaration));
  if (!written) {
    co_return std::unexpected(written.error());
  }
  around_.changed();
  co_return is_new;
}

net::Task<Asked<Done>> DeclaredSubscriptions::write(Declaration declaration) {
  auto batch = batch_for(home(declaration.name));
  if (!batch) {
    co_return again(Reason::store_unavailable,
                    "the shard of the journal where it is declared belongs to another process: ask again");
  }
  const auto known = entries_.find(declaration.name);
  const bool is_new = known == entries_.end();
  const std::uint64_t version = is_new ? 0 : known->second.version;
  const auto stream = is_new ? std::nullopt : std::optional(known->second.stream);
  add_declaration(*batch, declaration, stream, version);
  const auto done = co_await journal_.append(*std::move(batch));
  if (done) {
    put_entry(stream ? *stream : done->created.front(), version + 1, std::move(declaration));
    co_return Done{};
  }
  if (std::holds_alternative<journal::KeyTaken>(done.error()) ||
      std::holds_alternative<journal::VersionConflict>(done.error())) {
    if (const auto fresh = co_await refresh(); !fresh) {
      co_return std::unexpected(refusal_of(fresh.error()));
    }
    co_return again(Reason::conflict, "somebody else declares or forgets it at the same time: ask again");
  }
  co_return again(journal::reason_of(done.error()), describe(done.error()));
}

net::Task<Asked<Done>> DeclaredSubscriptions::forget(std::string name, std::string who, std::string why,
                                                     bool any) {
  if (around_.in_file(name)) {
    co_return refuse(Reason::conflict,
                     fmt::format("the file names subscription '{}': take it out there first", name));
  }
  const auto known = entries_.find(name);
  if (known != entries_.end() && known->second.declaration.state == DeclarationState::forgetting) {
    co_return Done{};
  }
  if (known == entries_.end()) {
    const auto before = any ? co_await stood(name, {}) : Asked<bool>(false);
    if (!before) {
      co_return std::unexpected(before.error());
    }
    if (!*before) {
      co_return refuse(
          Reason::not_found,
          any ? fmt::format("nothing is known of a subscription '{}'", name.substr(0, 64))
              : fmt::format("no subscription '{}' was declared at run time", name.substr(0, 64)));
    }
  }
  auto written = co_await write({.state = DeclarationState::forgetting,
                                 .name = std::move(name),
                                 .text = {},
                                 .start = {},
                                 .who = std::move(who),
                                 .why = std::move(why)});
  if (written) {
    around_.changed();
  }
  co_return written;
}

bool DeclaredSubscriptions::is_known(const DeclarationRow& row) const {
  const auto found = entries_.find(row.name);
  return found != entries_.end() && found->second.version >= row.version;
}

net::Task<Result<>> DeclaredSubscriptions::refresh() {
  std::set<std::string, std::less<>> seen;
  std::map<std::string, std::uint64_t> before;  // what is declared meanwhile is not seen, and is there
  for (const auto& [name, entry] : entries_) {
    before.emplace(name, entry.version);
  }
  bool changed = false;
  for (StreamId after;;) {
    const auto rows = co_await journal_.list(all_rows(after));
    if (!rows) {
      co_return std::unexpected(rows.error());
    }
    for (const journal::Summary& row : *rows) {
      after = row.stream;
      const auto read = read_declaration_row(row.attributes);
      if (!read) {
        co_return std::unexpected(read.error());
      }
      if (is_forgotten(row)) {
        continue;
      }
      seen.insert(read->name);
      if (is_known(*read)) {
        continue;
      }
      const auto page = co_await journal_.read(last_record(row.stream, read->version));
      if (auto taken = take_record(row.stream, read->version, page); !taken) {
        co_return taken;
      }
      changed = true;
    }
    if (rows->size() < journal::kMaxSummaries) {
      break;
    }
  }
  const auto is_gone = [&](const auto& each) {
    const auto was = before.find(each.first);
    return !seen.contains(each.first) && was != before.end() && was->second == each.second.version;
  };
  changed = std::erase_if(entries_, is_gone) > 0 || changed;
  if (changed) {
    around_.changed();
  }
  co_return Result<>();
}

net::Task<Result<>> DeclaredSubscriptions::tend() {
  if (journal_.shards() > 1) {
    const Instant begin = net::monotonic_now();
    if (auto fresh = co_await refresh(); !fresh) {
      co_return fresh;
    }
    runner_.know_declarations(begin);
  }
  std::vector<std::string> leaving;
  for (const auto& [name, entry] : entries_) {
    if (entry.declaration.state == DeclarationState::forgetting && !runner_.is_running(name)) {
      leaving.push_back(name);
    }
  }
  for (std::string& name : leaving) {
    if (auto reaped = co_await reap(std::move(name)); !reaped) {
      co_return reaped;
    }
  }
  co_return Result<>();
}

// True: nothing is saved of it any more, in any shard.
net::Task<Result<bool>> DeclaredSubscriptions::delete_cursors(std::string name) {
  bool none = true;
  for (std::uint32_t shard = 0; shard < journal_.shards(); ++shard) {
    std::string cursor = cursor_name(name, {.shard = shard, .shards = journal_.shards()});
    const auto found = co_await journal_.cursor(cursor);
    if (!found) {
      co_return std::unexpected(found.error());
    }
    if (!*found) {
      continue;
    }
    auto batch = batch_for(shard);
    if (!batch) {
      none = false;  // its owner does this
      continue;
    }
    batch->removed_cursors.push_back(std::move(cursor));
    if (const auto done = co_await journal_.append(*std::move(batch)); !done) {
      co_return fail(Errc::unavailable, describe(done.error()));
    }
  }
  co_return none;
}

net::Task<Result<>> DeclaredSubscriptions::reap(std::string name) {
  const auto none = co_await delete_cursors(name);
  if (!none || !*none || !journal_.ownership().lease(home(name))) {
    co_return none ? Result<>() : std::unexpected(none.error());
  }
  const auto known = entries_.find(name);
  if (known == entries_.end()) {
    co_return Result<>();
  }
  const StreamId stream = known->second.stream;
  Declaration last = known->second.declaration;
  last.state = DeclarationState::forgotten;
  if (const auto written = co_await write(std::move(last)); !written) {
    co_return fail(Errc::unavailable, written.error().detail);
  }
  log::info("subscription {}: where it stood is forgotten", name);
  journal::Reply<Result<std::int64_t>> reply;
  journal_.forget_streams(RecordClass::queue, {stream}, reply.send());
  const auto gone = co_await reply;
  co_return gone ? Result<>() : std::unexpected(gone.error());
}

}  // namespace flotilla::events
