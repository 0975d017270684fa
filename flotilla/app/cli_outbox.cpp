#include "flotilla/app/cli_outbox.hpp"

#include <array>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "flotilla/app/cli_client.hpp"
#include "flotilla/base/duration_text.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/config/values.hpp"
#include "flotilla/events/outbox_runner.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/signals.hpp"

namespace flotilla::app {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPublishTimeout = 10s;
constexpr Duration kStopWithin = 15s;  // then it ends whatever is under way
constexpr std::size_t kMostAddress = 4096;

Result<std::string> read_address(const OutboxOrder& order) {
  if (order.database_file.empty()) {
    return order.database;
  }
  std::ifstream file(order.database_file);
  std::string line;
  if (!file || !std::getline(file, line) || line.size() > kMostAddress) {
    return fail(Errc::io,
                fmt::format("--database-file {}: expected one line, an address", order.database_file));
  }
  return std::string(trim(line));
}

struct Prepared {
  events::OutboxPlace place;
  events::OutboxPolicy policy;
  call::ServiceConfig api;
  std::string token;
  Duration status{0};
};

Result<Duration> read_duration(const char* option, const std::string& text, Duration least) {
  const auto duration = config::parse_duration(text);
  if (!duration || *duration < least) {
    return fail(Errc::invalid, fmt::format("{} {}: expected a duration of at least {}, such as 20ms or 10s",
                                           option, text, show_duration(least)));
  }
  return *duration;
}

Result<> read_api(const OutboxOrder& order, Prepared& prepared) {
  prepared.api.name = ServiceName("flotilla-api");
  prepared.api.circuit_breaker.emplace();
  prepared.api.circuit_breaker->open = 1s;
  prepared.api.circuit_breaker->max = 5s;
  for (const std::string& url : order.api) {
    const auto place = parse_http_url("--api", url);
    if (!place) {
      return std::unexpected(place.error());
    }
    prepared.api.urls.push_back({.host = place->host, .port = place->port, .path_prefix = {}});
  }
  if (!order.token_file.empty()) {
    auto token = read_token_file(order.token_file);
    if (!token) {
      return std::unexpected(token.error());
    }
    prepared.token = std::move(*token);
  }
  return {};
}

Result<Prepared> prepare(const OutboxOrder& order) {
  Prepared prepared;
  auto uri = read_address(order);
  if (!uri) {
    return std::unexpected(uri.error());
  }
  auto address = journal::pg::parse_address(std::move(*uri));
  if (!address) {
    return std::unexpected(address.error());
  }
  prepared.place = {.database = std::move(*address), .keep = order.keep};
  if (auto named = events::read_table_name(order.table, prepared.place); !named) {
    return fail(Errc::invalid, fmt::format("--table {}: {}", order.table, named.error().message));
  }
  if (auto api = read_api(order, prepared); !api) {
    return std::unexpected(api.error());
  }
  const auto poll = read_duration("--poll", order.poll, 1ms);
  const auto status = read_duration("--status", order.status, 100ms);
  if (!poll || !status) {
    return std::unexpected((poll ? status : poll).error());
  }
  prepared.policy.poll = *poll;
  prepared.status = *status;
  prepared.policy.batch = order.batch;
  const std::string& name = prepared.place.database.name;
  prepared.policy.source = order.source.empty()
                               ? fmt::format("/outbox/{}/{}.{}", name.substr(name.rfind('/') + 1),
                                             prepared.place.schema, prepared.place.table)
                               : order.source;
  return prepared;
}

// What runs, on its loop.
class Outbox {
 public:
  Outbox(net::Loop& loop, net::Resolver& resolver, const Prepared& prepared,
         std::shared_ptr<call::Service> api)
      : loop_(loop),
        status_(prepared.status),
        instances_(std::make_shared<call::InstanceSet>(loop, directory_, answers_, 0, 1)),
        service_{api, instances_, &api->metrics().of(0)},
        caller_(loop, resolver, 0, static_cast<std::uint64_t>(net::wall_now().ns_since_epoch)),
        publisher_(loop, caller_, service_, prepared.token, kPublishTimeout) {
    instances_->follow(*api);
    runner_.emplace(loop, publisher_, prepared.place, prepared.policy,
                    static_cast<std::uint64_t>(net::monotonic_now().time_since_epoch().count()),
                    [&loop] { loop.stop(); });
    tasks_.spawn(tell_status());
  }

  void stop() {
    if (std::exchange(stopping_, true)) {
      return;  // a second signal; the first is being obeyed
    }
    runner_->stop();
    tasks_.spawn(give_up());
  }

 private:
  net::Task<> give_up() {
    co_await net::sleep_for(loop_, kStopWithin);
    log::warning("outbox: ended with something under way; it is published again");
    loop_.stop();
  }

  net::Task<> tell_status() {
    for (;;) {
      co_await net::sleep_for(loop_, status_);
      runner_->ask_backlog([this](const Result<events::OutboxBacklog>& backlog) { say(backlog); });
      instances_->sweep();
    }
  }

  void say(const Result<events::OutboxBacklog>& backlog) {
    const events::OutboxCounters& counters = runner_->relay().counters();
    const auto seconds = std::chrono::duration<double>(status_).count();
    const double rate = static_cast<double>(counters.published - told_) / seconds;
    told_ = counters.published;
    if (!backlog) {
      log::warning("outbox: published {} ({:.1f}/s); the database cannot be asked: {}", counters.published,
                   rate, backlog.error().message);
      return;
    }
    std::string line = fmt::format(
        "outbox: published {} ({:.1f}/s, {} duplicates), waiting {}{}, oldest {:.3f}s, held {}, topics that "
        "wait {}",
        counters.published, rate, counters.duplicates, backlog->rows,
        backlog->rows == events::OutboxTable::kMostCounted ? " or more" : "",
        std::chrono::duration<double>(backlog->oldest).count(), runner_->relay().held(),
        runner_->relay().waiting_topics());
    if (backlog->rows > 0 && backlog->blocker != 0 && backlog->blocker_age > 1s) {
      line += fmt::format("; a transaction of server process {} holds rows back, open for {:.0f}s",
                          backlog->blocker, std::chrono::duration<double>(backlog->blocker_age).count());
    }
    log::info("{}", line);
  }

  net::Loop& loop_;
  Duration status_;
  discovery::Directory directory_;
  http::ObjectPool<http::detail::Answer> answers_;
  std::shared_ptr<call::InstanceSet> instances_;
  call::WorkerService service_;
  call::Caller caller_;
  events::OutboxPublisher publisher_;
  std::optional<events::OutboxRunner> runner_;
  net::Scope tasks_;
  std::uint64_t told_ = 0;
  bool stopping_ = false;
};

Result<> run_until_told(const Prepared& prepared) {
  auto loop = net::Loop::create();
  if (!loop) {
    return std::unexpected(loop.error());
  }
  auto resolver = net::Resolver::create(**loop);
  if (!resolver) {
    return std::unexpected(resolver.error());
  }
  auto api = call::Service::create(prepared.api, 1, net::monotonic_now(), 1, nullptr);
  if (!api) {
    return std::unexpected(api.error());
  }
  std::optional<Outbox> outbox;
  auto signals = net::SignalSource::open(**loop, {SIGINT, SIGTERM}, [&](int) {
    if (outbox) {
      outbox->stop();
    } else {
      (*loop)->stop();
    }
  });
  if (!signals) {
    return std::unexpected(signals.error());
  }
  (*loop)->post([&] { outbox.emplace(**loop, **resolver, prepared, *api); });
  (*loop)->run();
  outbox.reset();
  return {};
}

int complain(const Error& error) {
  fmt::print(stderr, "flotilla: {}\n", error.message);
  return 1;
}

int run_outbox(const OutboxOrder& order) {
  const auto prepared = prepare(order);
  if (!prepared) {
    return complain(prepared.error());
  }
  if (order.create) {
    if (const auto made = events::OutboxTable(prepared->place).create(); !made) {
      return complain(made.error());
    }
  }
  net::block_signals({SIGINT, SIGTERM});
  log::info("outbox: publishing {}.{} of {} as {}", prepared->place.schema, prepared->place.table,
            prepared->place.database.name, prepared->policy.source);
  if (const auto ran = run_until_told(*prepared); !ran) {
    return complain(ran.error());
  }
  return 0;
}

// Of one argument, in place.
void hide(std::string_view text, char* at) {
  const auto blot = [at](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      at[i] = '*';
    }
  };
  if (const std::size_t scheme = text.find("://"); scheme != std::string_view::npos) {
    const std::size_t begin = scheme + 3;
    const std::size_t end = std::min(text.find('/', begin), text.size());
    const std::size_t host = text.substr(0, end).rfind('@');
    const std::size_t colon = text.find(':', begin);
    if (host != std::string_view::npos && host >= begin && colon < host) {
      blot(colon + 1, host);
    }
  }
  constexpr std::string_view kWord = "password=";
  for (std::size_t found = 0; (found = text.find(kWord, found)) != std::string_view::npos;) {
    found += kWord.size();
    blot(found, std::min(text.find('&', found), text.size()));
  }
}

}  // namespace

void hide_passwords(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    hide(argv[i], argv[i]);
  }
}

void add_outbox_options(CLI::App& verb, OutboxOrder& order, std::function<int()>& run) {
  CLI::Option* const address =
      verb.add_option("--database", order.database, "postgres://USER@HOST:PORT/DATABASE of the service")
          ->envname("FLOTILLA_OUTBOX_DATABASE");
  verb.add_option("--database-file", order.database_file,
                  "a file with that address, where it has a password");
  verb.add_option("--api", order.api, "the application API; several: the processes of one platform")
      ->capture_default_str();
  verb.add_option("--token-file", order.token_file, "holds the API's bearer token");
  verb.add_option("--table", order.table, "[SCHEMA.]TABLE")->capture_default_str();
  verb.add_option("--source", order.source, "of the events; /outbox/DATABASE/SCHEMA.TABLE");
  verb.add_flag("--create", order.create, "make the table where there is none");
  verb.add_flag("--keep", order.keep, "mark rows as published, and delete none");
  verb.add_option("--batch", order.batch, "events a request")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb.add_option("--poll", order.poll, "between looks at an idle table")->capture_default_str();
  verb.add_option("--status", order.status, "between lines that say how it stands")->capture_default_str();
  verb.callback([&order, &run, address] {
    if (order.database.empty() == order.database_file.empty()) {
      throw CLI::ValidationError(address->get_name(), "say one of --database and --database-file");
    }
    run = [&order] { return run_outbox(order); };
  });
}

}  // namespace flotilla::app
