#include "flotilla/journal/core/batch.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/journal/core/shard.hpp"

namespace flotilla::journal {
namespace {

// A sentence for each kind of error.
struct Describe {
  std::string operator()(const VersionConflict& e) const {
    return fmt::format("the {} stream {} is at version {}, not {}: somebody else was quicker",
                       to_string(e.record_class), e.stream.value(), e.actual, e.expected);
  }
  std::string operator()(const KeyTaken& e) const {
    return fmt::format("the key \"{}\" of \"{}\" is taken by stream {}", e.key, e.scope,
                       e.holder.stream.value());
  }
  std::string operator()(const TooLarge& e) const { return e.what; }
  std::string operator()(const StaleEpoch& e) const {
    return fmt::format(
        "the journal has a new owner (epoch {}, this one had {}): nothing more is written here", e.current,
        e.yours);
  }
  std::string operator()(const Overloaded& e) const { return e.what; }
  std::string operator()(const StoreUnavailable& e) const {
    return e.effect == Effect::none
               ? e.reason
               : fmt::format("{}; whether this append was kept shows after a restart", e.reason);
  }
};

struct ReasonOf {
  Reason operator()(const VersionConflict&) const { return Reason::conflict; }
  Reason operator()(const KeyTaken&) const { return Reason::conflict; }
  Reason operator()(const TooLarge&) const { return Reason::too_large; }
  Reason operator()(const StaleEpoch&) const { return Reason::store_unavailable; }
  Reason operator()(const Overloaded&) const { return Reason::overloaded; }
  Reason operator()(const StoreUnavailable&) const { return Reason::store_unavailable; }
};

// Collects the first text that exceeds its limit.
class LimitCheck {
 public:
  void text(std::string_view what, std::string_view value, std::size_t limit) {
    if (!fault_ && value.size() > limit) {
      fault_ = TooLarge{fmt::format("{} has {} bytes, the limit is {}", what, value.size(), limit)};
    }
  }
  void total(std::string_view what, std::size_t value, std::size_t limit) {
    if (!fault_ && value > limit) {
      fault_ = TooLarge{fmt::format("a batch has {} {}, the limit is {}", value, what, limit)};
    }
  }
  [[nodiscard]] std::optional<TooLarge> fault() && { return std::move(fault_); }

 private:
  std::optional<TooLarge> fault_;
};

// A stream may be named once by the appends, and each created one gets a record.
void assert_streams(const Batch& batch, const Vocabulary& vocabulary) {
  std::vector<bool> written(batch.created, false);
  std::vector<std::uint64_t> existing;
  for (const Append& append : batch.appends) {
    if (append.stream.is_new()) {
      FLOTILLA_ASSERT(append.stream.new_index() < batch.created && !written[append.stream.new_index()]);
      FLOTILLA_ASSERT(!append.records.empty() && append.expected.value_or(0) == 0);
      written[append.stream.new_index()] = true;
    } else {
      existing.push_back(append.stream.existing().value());
    }
    for (const NewRecord& record : append.records) {
      FLOTILLA_ASSERT(vocabulary.check(append.record_class, record.type, record.schema).has_value());
    }
  }
  FLOTILLA_ASSERT(std::ranges::all_of(written, [](bool w) { return w; }));
  std::ranges::sort(existing);
  FLOTILLA_ASSERT(std::ranges::adjacent_find(existing) == existing.end());
  FLOTILLA_ASSERT(existing.empty() || (existing.front() >= 1 && existing.back() <= kMaxNumber));
}

void assert_shard(const Batch& batch, std::uint32_t shards) {
  FLOTILLA_ASSERT(batch.shard < shards);
  const auto lies_here = [&](StreamRef stream) {
    return stream.is_new() || shard_of(stream.existing(), shards) == batch.shard;
  };
  FLOTILLA_ASSERT(std::ranges::all_of(batch.appends, lies_here, &Append::stream));
  FLOTILLA_ASSERT(std::ranges::all_of(batch.summaries, lies_here, &SummaryPut::stream));
  FLOTILLA_ASSERT(std::ranges::all_of(batch.removed_summaries, lies_here));
  FLOTILLA_ASSERT(std::ranges::all_of(batch.snapshots, lies_here, &SnapshotPut::stream));
}

}  // namespace

std::string describe(const AppendError& error) { return std::visit(Describe{}, error); }

Reason reason_of(const AppendError& error) noexcept { return std::visit(ReasonOf{}, error); }

std::size_t weight(const Batch& batch) noexcept {
  // 64: about what an item costs beside its text.
  std::size_t bytes = 64;
  for (const Append& append : batch.appends) {
    bytes += 64;
    for (const NewRecord& record : append.records) {
      bytes += 64 + record.body.size() + record.category.size();
    }
  }
  for (const Claim& claim : batch.claims) {
    bytes += 64 + claim.scope.size() + claim.key.size();
  }
  for (const Expiry& expiry : batch.expiries) {
    bytes += 64 + expiry.scope.size() + expiry.key.size();
  }
  for (const SummaryPut& put : batch.summaries) {
    bytes += 64 + put.name.size() + put.state.size() + put.attributes.size();
  }
  for (const SnapshotPut& put : batch.snapshots) {
    bytes += 64 + put.state.size();
  }
  for (const Cursor& cursor : batch.cursors) {
    bytes += 64 + cursor.name.size() + cursor.category.size() + cursor.state.size();
  }
  for (const std::string& name : batch.removed_cursors) {
    bytes += 64 + name.size();
  }
  for (const FoldRowPut& put : batch.rows) {
    bytes += 64 + put.name.key.size() + put.name.row.size() + (put.value ? put.value->size() : 0);
  }
  return bytes + 64 * batch.removed_summaries.size();
}

std::optional<TooLarge> check(const Batch& batch, const Vocabulary& vocabulary, std::uint32_t shards) {
  FLOTILLA_ASSERT(batch.time.value() >= 0);
  assert_streams(batch, vocabulary);
  assert_shard(batch, shards);
  LimitCheck limits;
  std::size_t items = batch.appends.size() + batch.claims.size() + batch.expiries.size() +
                      batch.summaries.size() + batch.removed_summaries.size() + batch.snapshots.size() +
                      batch.cursors.size() + batch.removed_cursors.size() + batch.rows.size();
  for (const Append& append : batch.appends) {
    items += append.records.size();
    for (const NewRecord& record : append.records) {
      limits.text("the body of a record", record.body, kMaxBody);
      limits.text("a category", record.category, kMaxName);
    }
  }
  for (const Claim& claim : batch.claims) {
    limits.text("the scope of a key", claim.scope, kMaxName);
    limits.text("a key", claim.key, kMaxName);
  }
  for (const SummaryPut& put : batch.summaries) {
    limits.text("a name", put.name, kMaxName);
    limits.text("a state", put.state, kMaxName);
    limits.text("the JSON of a row", put.attributes, kMaxAttributes);
  }
  for (const SnapshotPut& put : batch.snapshots) {
    limits.text("a snapshot", put.state, kMaxSnapshot);
  }
  for (const Cursor& cursor : batch.cursors) {
    limits.text("the name of a cursor", cursor.name, kMaxName);
    limits.text("a category", cursor.category, kMaxName);
    limits.text("the state of a cursor", cursor.state, kMaxCursorState);
  }
  for (const FoldRowPut& put : batch.rows) {
    FLOTILLA_ASSERT(put.table <= kMaxNumber);
    limits.text("the key of a row", put.name.key, kMaxName);
    limits.text("the name of a row", put.name.row, kMaxName);
    limits.text("a row", put.value ? std::string_view(*put.value) : std::string_view(), kMaxFoldRow);
  }
  limits.total("items", items, kMaxBatchItems);
  limits.total("bytes", weight(batch), kMaxBatchBytes);
  return std::move(limits).fault();
}

}  // namespace flotilla::journal
