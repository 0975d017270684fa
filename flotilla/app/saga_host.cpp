#include "flotilla/app/saga_host.hpp"

#include <fmt/format.h>

#include "flotilla/app/journal_metrics.hpp"
#include "flotilla/app/record_types.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/journal/postgres_journal.hpp"
#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/net/address.hpp"
#include "flotilla/saga/retention.hpp"

namespace flotilla::app {
namespace {

Result<std::unique_ptr<journal::Journal>> open_journal(const std::string& where,
                                                       const std::string& own_address) {
  if (is_postgres(where)) {
    return journal::PostgresJournal::open(
        {.uri = where, .vocabulary = record_types(), .address = own_address, .now = {}});
  }
  return journal::SqliteJournal::open({.path = where, .vocabulary = record_types(), .now = {}, .vfs = {}});
}

}  // namespace

std::string api_base(const ConfigFile& file) {
  if (!file.api) {
    return {};
  }
  if (!file.api->advertise.empty()) {
    return fmt::format("http://{}", file.api->advertise);
  }
  const auto address = net::SocketAddress::parse(file.api->listen);
  const bool any = !address || address->port() == 0 || address->ip() == "0.0.0.0" || address->ip() == "::";
  if (any && file.api->hosts.empty()) {
    return {};
  }
  const std::string authority =
      any ? fmt::format("{}:{}", file.api->hosts.front(), address ? address->port() : 0) : file.api->listen;
  return fmt::format("http://{}", authority);
}

std::string journal_path(const ConfigFile& file) {
  if (!file.stores.journal.empty()) {
    return file.stores.journal;
  }
  const bool needed = !file.sagas.empty() || !file.topics.empty() || !file.views.empty() ||
                      !file.aggregates.empty() || !file.choreographies.empty() || has_queues(file) ||
                      file.stores.named;
  return needed ? default_journal(file.path) : std::string();
}

Result<std::unique_ptr<SagaHost>> SagaHost::open(const ConfigFile& file, std::uint64_t seed) {
  const std::string base = api_base(file);
  auto journal = open_journal(journal_path(file), base);
  if (!journal) {
    return std::unexpected(journal.error());
  }
  auto runner = saga::Runner::open(
      **journal, {.definitions = file.sagas,
                  .callback_base = base.empty() ? base : fmt::format("{}{}", base, saga::kCallbackPath),
                  .seed = seed,
                  .own_address = base});
  if (!runner) {
    return std::unexpected(runner.error());
  }
  return std::unique_ptr<SagaHost>(
      new SagaHost(journal_path(file), std::move(*journal), std::move(*runner), file));
}

SagaHost::SagaHost(std::string path, std::unique_ptr<journal::Journal> journal,
                   std::unique_ptr<saga::Runner> runner, const ConfigFile& file)
    : path_(std::move(path)),
      journal_(std::move(journal)),
      runner_(std::move(runner)),
      retention_(*journal_, file.stores.archive),
      api_(*runner_),
      operator_api_(*runner_) {
  retention_.replace_definitions(file.sagas);
}

journal::Health SagaHost::health() const { return journal_->health(); }

void SagaHost::collect(telemetry::MetricsPage& page) const {
  runner_->collect(page);
  constexpr telemetry::Family kForgotten{"flotilla_saga_forgotten_total", "Ended sagas that were deleted."};
  constexpr telemetry::Family kArchived{"flotilla_saga_archived_total", "Of them, those archived before."};
  constexpr telemetry::Family kUnreadable{"flotilla_saga_unreadable_total",
                                          "Times a saga could not be archived, so that it stays."};
  page.counter(kForgotten, {}, retention_.forgotten());
  page.counter(kArchived, {}, retention_.archived());
  page.counter(kUnreadable, {}, retention_.unreadable());
  app::collect(*journal_, page);
}

void SagaHost::log_health() {
  const journal::Health now = journal_->health();
  if (now.state == told_) {
    return;
  }
  told_ = now.state;
  switch (now.state) {
    case journal::Health::State::healthy:
      log::info("the journal commits again");
      break;
    case journal::Health::State::failing:
      log::error("the journal cannot commit, sagas wait: {}", now.reason);
      break;
    case journal::Health::State::failed:
      log::error("the journal has failed for good: {}", now.reason);
      break;
  }
}

void SagaHost::stop() {
  runner_->stop();
  journal_.reset();
}

}  // namespace flotilla::app
