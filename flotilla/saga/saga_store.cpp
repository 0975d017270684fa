#include "flotilla/saga/saga_store.hpp"

#include <algorithm>
#include <cstring>
#include <future>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <sys/random.h>

#include "flotilla/journal/core/body.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/saga/core/definition_json.hpp"

namespace flotilla::saga {
namespace {

using journal::RecordClass;
using journal::StreamId;

constexpr std::string_view kOpenStates[] = {"scheduled", "running",      "committed",
                                            "held",      "compensating", "suspended"};
constexpr std::uint32_t kContent = 1;       // of the records of definitions and secrets
constexpr std::uint16_t kAcceptedType = 1;  // of record.hpp
constexpr int kMostTries = 5;
constexpr auto kLookAgain = std::chrono::milliseconds(20);

// Blocks until the journal has called back. Only where no loop of this thread is waited for.
template <class T, class Ask>
T wait_for(Ask ask) {
  std::promise<T> answer;
  ask([&answer](T value) { answer.set_value(std::move(value)); });
  return answer.get_future().get();
}

journal::UtcMillis now_millis() { return journal::UtcMillis(net::wall_now().ns_since_epoch / 1'000'000); }

// One record in a stream of its own, found by its claim.
journal::Batch single_record(const journal::Lease& lease, std::string_view scope, std::string key,
                             std::uint16_t type, std::string_view content) {
  journal::Batch batch;
  batch.shard = lease.shard;
  batch.epoch = lease.epoch;
  batch.time = now_millis();
  const journal::StreamRef stream = batch.create();
  std::string body;
  journal::BodyWriter(body).bytes(kContent, content);
  batch.appends.push_back({.record_class = RecordClass::saga,
                           .stream = stream,
                           .expected = 0,
                           .records = {{.type = type, .body = std::move(body), .category = {}}}});
  batch.claims.push_back({.scope = std::string(scope), .key = std::move(key), .holder = stream});
  return batch;
}

// A shard of ours, whichever: what belongs to no saga may lie anywhere. Blocks until there is one.
Result<journal::Lease> any_lease(journal::Journal& journal) {
  for (const Instant until = net::monotonic_now() + kShardPatience; net::monotonic_now() < until;) {
    for (std::uint32_t shard = 0; shard < journal.shards(); ++shard) {
      if (const auto lease = journal.ownership().lease(shard)) {
        return *lease;
      }
    }
    std::this_thread::sleep_for(kLookAgain);
  }
  return fail(Errc::unavailable,
              fmt::format("no shard of the journal has come to this process within {} s: look whether the "
                          "processes that have them run",
                          kShardPatience / std::chrono::seconds(1)));
}

// Which rows to ask for next, so that all of sagas that have not ended are seen.
class UnfinishedScan {
 public:
  explicit UnfinishedScan(std::optional<std::uint32_t> shard) { query_.shard = shard; }

  // Nothing when all were seen.
  [[nodiscard]] const journal::SummaryQuery* next() {
    if (state_ == std::size(kOpenStates)) {
      std::ranges::sort(found_, {}, &Unfinished::stream);
      return nullptr;
    }
    query_.state = kOpenStates[state_];
    return &query_;
  }
  Result<> take(const std::vector<journal::Summary>& page) {
    for (const journal::Summary& summary : page) {
      auto row = read_row(summary.attributes);
      if (!row) {
        return std::unexpected(row.error());
      }
      found_.push_back({.stream = summary.stream, .state = summary.state, .row = *std::move(row)});
    }
    const bool more = page.size() == query_.limit;
    query_.after = more ? page.back().stream : StreamId();
    state_ += more ? 0 : 1;
    return {};
  }
  [[nodiscard]] std::vector<Unfinished>& found() noexcept { return found_; }

 private:
  journal::SummaryQuery query_{
      .name = {}, .state = {}, .newest_first = false, .limit = journal::kMaxSummaries};
  std::size_t state_ = 0;
  std::vector<Unfinished> found_;
};

Result<std::string> content_of(std::string_view body) {
  journal::BodyReader reader(body);
  const auto field = reader.next();
  if (!field || !*field || !(*field)->is_bytes || (*field)->tag != kContent) {
    return fail(Errc::invalid, "a record of the saga store is damaged");
  }
  return std::string((*field)->bytes);
}

journal::StreamQuery first_of(StreamId stream) { return {.stream = stream, .limits = {.records = 1}}; }

Result<std::string> body_of(const Result<journal::Page>& page, StreamId stream, std::uint16_t type) {
  if (!page) {
    return std::unexpected(page.error());
  }
  if (page->records.empty() || page->records.front()->record.type != type) {
    return fail(Errc::invalid, fmt::format("stream {} of the saga store is damaged", stream.value()));
  }
  return page->records.front()->record.body;
}

// The locks of a saga that has more than a row holds: they stand in its first record.
Result<> take_locks(const Result<journal::Page>& page, Unfinished& saga) {
  const auto body = body_of(page, saga.stream, kAcceptedType);
  const auto record = body ? decode(kAcceptedType, *body) : Result<Record>(std::unexpected(body.error()));
  if (!record) {
    return std::unexpected(record.error());
  }
  if (const auto* accepted = std::get_if<record::Accepted>(&record->body)) {
    saga.row.locks = accepted->locks;
  }
  return {};
}

Error definition_missing(std::string_view hash) {
  return {.code = Errc::not_found,
          .message = fmt::format("the journal has no definition {} of a saga that needs it", hash)};
}

Result<std::string> hash_in(const StoredRecord& stored) {
  const auto record = decode(stored.type, stored.body);
  if (!record) {
    return std::unexpected(record.error());
  }
  if (const auto* accepted = std::get_if<record::Accepted>(&record->body)) {
    return accepted->definition;
  }
  if (const auto* by_person = std::get_if<record::Operator>(&record->body);
      by_person != nullptr && by_person->verb == Verb::migrate) {
    return by_person->payload;
  }
  return std::string();
}

}  // namespace

net::Task<Result<std::vector<StoredRecord>>> SagaStore::records(StreamId stream) const {
  std::vector<StoredRecord> all;
  journal::StreamQuery query{.record_class = RecordClass::saga, .stream = stream};
  for (;;) {
    auto page = co_await journal_.read(query);
    if (!page) {
      co_return std::unexpected(page.error());
    }
    for (const journal::RecordPtr& stored : page->records) {
      all.push_back({.type = stored->record.type,
                     .epoch = stored->record.epoch,
                     .time = stored->record.time.value(),
                     .body = stored->record.body});
      query.after_version = stored->record.version;
    }
    if (page->at_end) {
      co_return all;
    }
  }
}

net::Task<Result<>> SagaStore::fetch_definition(std::string hash) const {
  if (hash.empty() || shelf_.find(hash) != nullptr) {
    co_return Result<>();
  }
  const auto holder = co_await journal_.find(std::string(kDefinitionScope), hash);
  if (!holder) {
    co_return std::unexpected(holder.error());
  }
  if (!*holder) {
    co_return std::unexpected(definition_missing(hash));
  }
  const auto stored = co_await records((*holder)->stream);
  if (!stored || stored->empty()) {
    co_return std::unexpected(stored ? definition_missing(hash) : stored.error());
  }
  const auto text = content_of(stored->front().body);
  auto definition = text ? parse_definition(*text) : Result<DefinitionPtr>(std::unexpected(text.error()));
  if (!definition) {
    co_return std::unexpected(definition.error());
  }
  shelf_.put(*std::move(definition));
  co_return Result<>();
}

net::Task<Result<>> SagaStore::fetch_definitions(const std::vector<StoredRecord>& records) const {
  for (const StoredRecord& stored : records) {
    auto hash = hash_in(stored);
    if (!hash) {
      co_return std::unexpected(hash.error());
    }
    if (auto fetched = co_await fetch_definition(*std::move(hash)); !fetched) {
      co_return fetched;
    }
  }
  co_return Result<>();
}

net::Task<Result<std::optional<LoadedSaga>>> SagaStore::load(SagaId saga) const {
  const auto holder = co_await journal_.find(std::string(kIdScope), saga.text());
  if (!holder) {
    co_return std::unexpected(holder.error());
  }
  if (!*holder) {
    co_return std::nullopt;
  }
  auto loaded = co_await load((*holder)->stream);
  if (!loaded) {
    co_return std::unexpected(loaded.error());
  }
  if (loaded->records.empty()) {
    co_return std::nullopt;  // forgotten; its claim goes later
  }
  co_return *std::move(loaded);
}

net::Task<Result<LoadedSaga>> SagaStore::load(StreamId stream) const {
  LoadedSaga loaded{.stream = stream, .records = {}};
  auto stored = co_await records(stream);
  if (!stored) {
    co_return std::unexpected(stored.error());
  }
  loaded.records = *std::move(stored);
  if (auto fetched = co_await fetch_definitions(loaded.records); !fetched) {
    co_return std::unexpected(fetched.error());
  }
  co_return loaded;
}

net::Task<Result<SagaId>> SagaStore::id_of(StreamId stream) const {
  const auto summary = co_await journal_.summary(stream);
  if (!summary) {
    co_return std::unexpected(summary.error());
  }
  if (!*summary) {
    co_return fail(Errc::not_found, fmt::format("stream {} has no row", stream.value()));
  }
  const auto row = read_row((*summary)->attributes);
  co_return row ? Result<SagaId>(row->id) : std::unexpected(row.error());
}

Result<std::optional<StreamId>> SagaStore::find_or_keep(std::string_view scope, const std::string& key,
                                                        std::uint16_t type, std::string_view content) const {
  for (int tries = 0;; ++tries) {
    auto holder = wait_for<Result<std::optional<journal::Holder>>>(
        [&](auto done) { journal_.find(std::string(scope), key, std::move(done)); });
    if (!holder) {
      return std::unexpected(holder.error());
    }
    if (*holder) {
      return (*holder)->stream;
    }
    const auto lease = any_lease(journal_);
    if (!lease) {
      return std::unexpected(lease.error());
    }
    const auto kept = wait_for<journal::AppendResult>([&](auto done) {
      journal_.append(single_record(*lease, scope, key, type, content), std::move(done));
    });
    if (kept) {
      return std::nullopt;
    }
    // Another process was faster, or has taken the shard: look again.
    const bool again = std::holds_alternative<journal::KeyTaken>(kept.error()) ||
                       std::holds_alternative<journal::StaleEpoch>(kept.error());
    if (!again || tries == kMostTries) {
      return fail(Errc::unavailable, "the journal cannot be written: " + describe(kept.error()));
    }
  }
}

Result<KeyMaterial> SagaStore::keys() const {
  std::string secret(sizeof(KeyMaterial), '\0');
  if (::getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(secret.size())) {
    return fail(Errc::io, "the system has no random numbers");
  }
  const auto kept = find_or_keep(kSecretScope, "keys", kSecretRecord, secret);
  if (!kept) {
    return std::unexpected(kept.error());
  }
  if (*kept) {
    const auto page =
        wait_for<Result<journal::Page>>([&](auto done) { journal_.read(first_of(**kept), std::move(done)); });
    const auto body = body_of(page, **kept, kSecretRecord);
    auto known = body ? content_of(*body) : body;
    if (!known || known->size() != secret.size()) {
      return known ? Result<KeyMaterial>(fail(Errc::invalid, "the secret of the saga store is damaged"))
                   : std::unexpected(known.error());
    }
    secret = *std::move(known);
  }
  KeyMaterial keys;
  std::memcpy(keys.words.data(), secret.data(), secret.size());
  return keys;
}

Result<> SagaStore::keep(const std::vector<DefinitionPtr>& definitions) const {
  for (const DefinitionPtr& definition : definitions) {
    const auto kept =
        find_or_keep(kDefinitionScope, definition->hash.value(), kDefinitionRecord, definition->canonical);
    if (!kept) {
      return fail(kept.error().code, fmt::format("the definition of saga '{}' cannot be kept: {}",
                                                 definition->name, kept.error().message));
    }
  }
  return {};
}

Result<std::vector<Unfinished>> SagaStore::unfinished() const {
  UnfinishedScan scan({});
  while (const auto* query = scan.next()) {
    const auto page = wait_for<Result<std::vector<journal::Summary>>>(
        [&](auto done) { journal_.list(*query, std::move(done)); });
    if (const auto taken = page ? scan.take(*page) : std::unexpected(page.error()); !taken) {
      return std::unexpected(taken.error());
    }
  }
  for (Unfinished& saga : scan.found()) {
    if (saga.row.locks_elsewhere) {
      const auto page = wait_for<Result<journal::Page>>(
          [&](auto done) { journal_.read(first_of(saga.stream), std::move(done)); });
      if (const auto taken = take_locks(page, saga); !taken) {
        return std::unexpected(taken.error());
      }
    }
  }
  return std::move(scan.found());
}

net::Task<Result<std::vector<Unfinished>>> SagaStore::unfinished(std::uint32_t shard) const {
  UnfinishedScan scan(shard);
  while (const auto* query = scan.next()) {
    const auto page = co_await journal_.list(*query);
    if (const auto taken = page ? scan.take(*page) : std::unexpected(page.error()); !taken) {
      co_return std::unexpected(taken.error());
    }
  }
  for (Unfinished& saga : scan.found()) {
    if (saga.row.locks_elsewhere) {
      const auto page = co_await journal_.read(first_of(saga.stream));
      if (const auto taken = take_locks(page, saga); !taken) {
        co_return std::unexpected(taken.error());
      }
    }
  }
  co_return std::move(scan.found());
}

Result<std::vector<journal::StateCount>> SagaStore::counts() const {
  auto counts = wait_for<Result<std::vector<journal::StateCount>>>(
      [&](auto done) { journal_.count(journal::CountQuery{}, std::move(done)); });
  if (!counts) {
    return std::unexpected(counts.error());
  }
  std::erase_if(*counts, [](const journal::StateCount& count) {
    return std::ranges::find(kOpenStates, count.state) == std::end(kOpenStates);
  });
  return counts;
}

}  // namespace flotilla::saga
