#include "flotilla/app/cli.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "flotilla/app/cli_aggregates.hpp"
#include "flotilla/app/cli_correlations.hpp"
#include "flotilla/app/cli_journal.hpp"
#include "flotilla/app/cli_outbox.hpp"
#include "flotilla/app/cli_queues.hpp"
#include "flotilla/app/cli_sagas.hpp"
#include "flotilla/app/cli_subscriptions.hpp"
#include "flotilla/app/cli_topics.hpp"
#include "flotilla/app/cli_verbs.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::app {
namespace {

// What the arguments fill in, and what to run once all of them are known to be right.
struct Parsed {
  std::function<int()> run;
  std::string file = "flotilla.yaml";
  bool tour = false;
  DemoPorts demo_ports;
  std::uint16_t first_demo_port = 0;
  ClientOptions client;
  std::string output = "table";
  std::string action = "list";
  std::string service;
  std::string gateway;
  TopicOrder topic;
  SubscriptionCommand subscriptions;
  QueueOrder queue;
  ViewOrder view;
  AggregateOrder aggregate;
  TraceOrder trace;
  std::vector<std::string> explain;  // METHOD, URL
  SagaFilter saga_filter;
  SagaOrder saga_order;
  SagaSignal saga_signal;
  std::uint64_t expected_seq = 0;
  bool timeline = false;
  SimulateOptions simulate;
  StoreChoice store;
  std::string journal_file;  // the copy, or the JSON lines
  OutboxOrder outbox;
};

void add_file_verbs(CLI::App& app, const Commands& commands, Parsed& parsed) {
  CLI::App* const up = app.add_subcommand("up", "run everything the file names");
  up->add_option("FILE", parsed.file, "the configuration file")->capture_default_str();
  up->callback([&] { parsed.run = [&] { return commands.up(parsed.file); }; });

  CLI::App* const demo = app.add_subcommand("demo", "the shop, the platform and a tour");
  demo->add_flag("--tour", parsed.tour, "play the tour unattended");
  CLI::Option* const ports =
      demo->add_option(
              "--ports-from", parsed.first_demo_port,
              fmt::format("listen on {} ports from this one on, not on the default ones", DemoPorts::kSpan))
          ->check(CLI::Range(1, 65536 - DemoPorts::kSpan));
  demo->callback([&, ports] {
    if (!ports->empty()) {
      parsed.demo_ports = DemoPorts::from(parsed.first_demo_port);
    }
    parsed.run = [&] { return commands.demo(parsed.tour, parsed.demo_ports); };
  });

  CLI::App* const check = app.add_subcommand("check", "validate a file");
  check->add_option("FILE", parsed.file, "the configuration file")->required();
  check->callback([&] { parsed.run = [&] { return commands.check(parsed.file); }; });

  app.add_subcommand("schema", "print the file's JSON Schema")->callback([&] {
    parsed.run = commands.schema;
  });
  app.add_subcommand("version", "print the version")->callback([&] {
    parsed.run = [&] {
      std::printf("%s\n", commands.version.c_str());
      return 0;
    };
  });
}

void add_simulate_verb(CLI::App& app, const Commands& commands, Parsed& parsed) {
  SimulateOptions& options = parsed.simulate;
  CLI::App* const verb = app.add_subcommand("simulate", "run a file's saga through crashes and faults");
  verb->add_option("FILE", options.file, "the configuration file")->required();
  verb->add_option("--saga", options.saga, "which of its sagas; not needed if there is one");
  verb->add_option("--seeds", options.seeds, "how many lives")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  verb->add_option("--seed", options.seed, "the first one")->capture_default_str();
  verb->add_option("--events", options.events, "how long each is, before everything heals")
      ->check(CLI::Range(1, 20'000))
      ->capture_default_str();
  verb->add_option("--input", options.input, "JSON to start each saga with; {n} in a string is a number");
  verb->add_option("--accept", options.accept, "KIND or KIND:STEP: such findings do not count")
      ->allow_extra_args(false);
  verb->add_option("--within", options.within_s, "seconds, then no further seed is begun")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  verb->add_flag("--json", options.json, "the report as JSON");
  verb->add_flag("--trace", options.trace, "everything that happens; with --seeds 1");
  verb->callback([&] {
    if (options.trace && options.seeds != 1) {
      throw CLI::ValidationError("--trace", "is of one seed: say which with --seed, and --seeds 1");
    }
    if (options.trace && options.json) {
      throw CLI::ValidationError("--trace", "is text, and --json is not");
    }
    parsed.run = [&] { return commands.simulate(options); };
  });
}

CLI::App* add_client_verb(CLI::App& app, const char* name, const char* help, Parsed& parsed) {
  CLI::App* const verb = app.add_subcommand(name, help);
  verb->add_option("--admin", parsed.client.target.url, "the process to ask")->capture_default_str();
  verb->add_option("--token-file", parsed.client.target.token_file, "holds the bearer token");
  verb->add_option("-o,--output", parsed.output, "table or json")->check(CLI::IsMember({"table", "json"}));
  return verb;
}

void add_client_verbs(CLI::App& app, Parsed& parsed) {
  CLI::App* const services = add_client_verb(app, "services", "the services and their instances", parsed);
  services->add_option("ACTION", parsed.action, "list")->check(CLI::IsMember({"list"}));
  services->callback([&] { parsed.run = [&] { return list_services(parsed.client); }; });

  CLI::App* const routes = add_client_verb(app, "routes", "the routes of the gateways", parsed);
  routes->add_option("ACTION", parsed.action, "list")->check(CLI::IsMember({"list"}));
  routes->add_option("--explain", parsed.explain, "METHOD URL: which route such a request takes, and why")
      ->expected(2);
  routes->add_option("--gateway", parsed.gateway, "only this gateway");
  routes->callback([&] {
    parsed.run = [&] {
      return parsed.explain.empty()
                 ? list_routes(parsed.client, parsed.gateway)
                 : explain_route(parsed.client, parsed.gateway, parsed.explain[0], parsed.explain[1]);
    };
  });

  CLI::App* const breakers = add_client_verb(app, "breakers", "look at circuit breakers, or set one", parsed);
  breakers->add_option("ACTION", parsed.action, "list, show, force-open, close or auto")
      ->check(CLI::IsMember({"list", "show", "force-open", "close", "auto"}));
  breakers->add_option("SERVICE", parsed.service, "whose breaker; for every action but list");
  breakers->callback([&] {
    const bool list = parsed.action == "list";
    if (list != parsed.service.empty()) {
      throw CLI::ValidationError("SERVICE",
                                 list ? "list takes no service" : parsed.action + " needs a service");
    }
    parsed.run = [&] {
      return parsed.action == "list"   ? list_breakers(parsed.client)
             : parsed.action == "show" ? show_breaker(parsed.client, parsed.service)
                                       : set_breaker(parsed.client, parsed.action, parsed.service);
    };
  });

  CLI::App* const explain =
      add_client_verb(app, "explain", "a service's policies, and its worst case", parsed);
  explain->add_option("SERVICE", parsed.service, "the service")->required();
  explain->callback([&] { parsed.run = [&] { return explain_service(parsed.client, parsed.service); }; });
}

void add_kafka_verb(CLI::App& app, Parsed& parsed) {
  CLI::App* const kafka = add_client_verb(app, "kafka", "look at the Kafka bridge", parsed);
  kafka->callback([&] { parsed.run = [&] { return show_kafka(parsed.client); }; });
}

void add_queue_verb(CLI::App& app, Parsed& parsed) {
  CLI::App* const verb =
      add_client_verb(app, "queues", "look at queues for later, or operate a call in one", parsed);
  QueueOrder& order = parsed.queue;
  verb->add_option("ACTION", parsed.action, "list, show, retry or delete")
      ->check(CLI::IsMember({"list", "show", "retry", "delete"}));
  verb->add_option("NAME", order.queue, "which one; for every action but list");
  verb->add_option("ID", order.id, "which call; for show, retry and delete");
  verb->add_option("--state", order.state, "show NAME: pending, sending, done, dead or removed")
      ->check(CLI::IsMember({"pending", "sending", "done", "dead", "removed"}));
  verb->add_option("--limit", order.limit, "show NAME: at most so many")
      ->check(CLI::Range(1, 500))
      ->capture_default_str();
  verb->add_option("--after", order.after, "show NAME: from where a page ended");
  verb->add_option("--who", order.who, "retry, delete: who asks; $USER");
  verb->add_option("--why", order.why, "retry, delete: why");
  verb->callback([&] {
    const bool list = parsed.action == "list";
    if (list != order.queue.empty()) {
      throw CLI::ValidationError("NAME",
                                 list ? "list takes no name" : parsed.action + " needs a queue's name");
    }
    if (order.id.empty() && parsed.action != "show" && !list) {
      throw CLI::ValidationError("ID", parsed.action + " needs a call's id");
    }
    if (const char* const user = std::getenv("USER"); order.who.empty() && user != nullptr) {
      order.who = user;
    }
    order.verb = parsed.action;
    parsed.run = [&] { return run_queues(parsed.client, order); };
  });
}

void add_view_verb(CLI::App& app, Parsed& parsed) {
  CLI::App* const verb = add_client_verb(app, "views", "look at views, or have one built anew", parsed);
  ViewOrder& order = parsed.view;
  verb->add_option("ACTION", parsed.action, "list, show or rebuild")
      ->check(CLI::IsMember({"list", "show", "rebuild"}));
  verb->add_option("VIEW", order.name, "which one; for every action but list");
  verb->add_option("--who", order.who, "who asks");
  verb->add_option("--why", order.why, "why");
  verb->callback([&] {
    const bool list = parsed.action == "list";
    if (list != order.name.empty()) {
      throw CLI::ValidationError("VIEW",
                                 list ? "list takes no view" : parsed.action + " needs a view's name");
    }
    parsed.run = [&, list] {
      return list                      ? list_views(parsed.client)
             : parsed.action == "show" ? show_view(parsed.client, order.name)
                                       : rebuild_view(parsed.client, order);
    };
  });
}

void add_trace_verb(CLI::App& app, Parsed& parsed) {
  CLI::App* const verb =
      add_client_verb(app, "trace", "show one business transaction, or list those that there are", parsed);
  TraceOrder& order = parsed.trace;
  verb->add_option("ID", order.id, "its id, or a correlation of its events; without one: a list");
  verb->add_option("--choreography", order.choreography, "list: of this one");
  verb->add_option("--state", order.state, "list: open, overdue, ok or undone")
      ->check(CLI::IsMember({"open", "overdue", "ok", "undone"}));
  verb->add_option("--limit", order.limit, "list: at most so many")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb->add_option("--after", order.after, "list: from where a page ended");
  verb->callback([&, verb] {
    for (const char* const option : {"--choreography", "--state", "--limit", "--after"}) {
      if (!order.id.empty() && verb->count(option) > 0) {
        throw CLI::ValidationError(option, "belongs to the list, not to one transaction");
      }
    }
    parsed.run = [&] { return trace(parsed.client, order); };
  });
}

// What each action on sagas takes beside the saga; `list` and `count` take no saga.
struct SagaUse {
  std::string_view action;
  std::vector<std::string_view> options;
};
const std::array<SagaUse, 13>& saga_uses() {
  static const std::array<SagaUse, 13> uses{{
      {"list", {"--name", "--state", "--search", "--limit", "--after"}},
      {"count", {"--name", "--state", "--search"}},
      {"show", {"--timeline"}},
      {"signal", {"--signal", "--payload"}},
      {"cancel", {"--who", "--why"}},
      {"suspend", {"--who", "--why", "--expected-seq"}},
      {"resume", {"--who", "--why", "--expected-seq"}},
      {"retry", {"--who", "--why", "--expected-seq", "--step"}},
      {"set-result", {"--who", "--why", "--expected-seq", "--step", "--result"}},
      {"forgive", {"--who", "--why", "--expected-seq", "--step"}},
      {"abort", {"--who", "--why", "--expected-seq"}},
      {"fail", {"--who", "--why", "--expected-seq"}},
      {"migrate", {"--who", "--why", "--expected-seq", "--version"}},
  }};
  return uses;
}

[[noreturn]] void misuse(const std::string& what, const std::string& message) {
  throw CLI::ValidationError(what, message);
}

// Throws what the command line answers with 2.
void check_saga_use(const CLI::App& verb, Parsed& parsed) {
  const SagaUse& use = *std::ranges::find(saga_uses(), parsed.action, &SagaUse::action);
  const bool many = parsed.action == "list" || parsed.action == "count";
  if (many != parsed.saga_order.id.empty()) {
    misuse("ID", parsed.action + (many ? " takes no saga" : " needs a saga's id"));
  }
  for (const char* const option :
       {"--name", "--state", "--search", "--limit", "--after", "--timeline", "--who", "--why",
        "--expected-seq", "--step", "--result", "--version", "--signal", "--payload"}) {
    if (verb.count(option) > 0 && std::ranges::find(use.options, option) == use.options.end()) {
      misuse(option, "does not belong to " + parsed.action);
    }
  }
  SagaOrder& order = parsed.saga_order;
  if (many || parsed.action == "show") {
    return;
  }
  if (parsed.action == "signal") {
    const std::string& payload = parsed.saga_signal.payload;
    if (parsed.saga_signal.name.empty() || (!payload.empty() && !json::parse(payload))) {
      misuse(parsed.saga_signal.name.empty() ? "--signal" : "--payload",
             "a signal has a name, and JSON for payload if any");
    }
    return;
  }
  if (const char* const user = std::getenv("USER"); order.who.empty() && user != nullptr) {
    order.who = user;
  }
  if (order.who.empty() || order.why.empty()) {
    misuse(order.who.empty() ? "--who" : "--why", "a saga keeps who did what to it, and why");
  }
  if (!order.result.empty() && !json::parse(order.result)) {
    misuse("--result", "the step's output is JSON");
  }
}

int run_saga_verb(const Parsed& parsed) {
  return parsed.action == "list"     ? list_sagas(parsed.client, parsed.saga_filter)
         : parsed.action == "count"  ? count_sagas(parsed.client, parsed.saga_filter)
         : parsed.action == "show"   ? show_saga(parsed.client, parsed.saga_order.id, parsed.timeline)
         : parsed.action == "signal" ? signal_saga(parsed.client, parsed.saga_signal)
                                     : operate_saga(parsed.client, parsed.saga_order);
}

void add_saga_verb(CLI::App& app, Parsed& parsed) {
  CLI::App* const sagas = add_client_verb(app, "sagas", "look at sagas, or operate one", parsed);
  std::vector<std::string> actions;
  for (const SagaUse& use : saga_uses()) {
    actions.emplace_back(use.action);
  }
  sagas
      ->add_option("ACTION", parsed.action,
                   "list, count, show, signal, cancel, or a verb for a suspended saga")
      ->check(CLI::IsMember(actions));
  sagas->add_option("ID", parsed.saga_order.id, "the saga; for every action but list and count");
  sagas->add_option("--name", parsed.saga_filter.name, "list, count: of this definition");
  sagas->add_option("--state", parsed.saga_filter.state, "list, count: in this state, such as suspended");
  sagas->add_option(
      "--search", parsed.saga_filter.search,
      "list, count: NAME=TEXT, an attribute that the definition declares; may stand several times");
  sagas->add_option("--limit", parsed.saga_filter.limit, "list: at most so many")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  sagas->add_option("--after", parsed.saga_filter.after, "list: from where a page ended");
  sagas->add_flag("--timeline", parsed.timeline, "show: with every record");
  sagas->add_option("--who", parsed.saga_order.who, "who does it; $USER");
  sagas->add_option("--why", parsed.saga_order.why, "why; kept with the saga");
  sagas->add_option("--step", parsed.saga_order.step, "which step; that of the suspension");
  sagas->add_option("--result", parsed.saga_order.result,
                    "set-result: the step's output, as JSON; an undo has none");
  sagas->add_option("--signal", parsed.saga_signal.name, "signal: its name");
  sagas->add_option("--payload", parsed.saga_signal.payload, "signal: what it says, as JSON");
  sagas->add_option("--version", parsed.saga_order.version, "migrate: a definition's hash; the file's");
  CLI::Option* const seq =
      sagas->add_option("--expected-seq", parsed.expected_seq, "only if the saga still is at this SEQ");
  sagas->callback([&parsed, sagas, seq] {
    check_saga_use(*sagas, parsed);
    parsed.saga_order.verb = parsed.action;
    parsed.saga_signal.id = parsed.saga_order.id;
    if (!seq->empty()) {
      parsed.saga_order.expected_seq = parsed.expected_seq;
    }
    parsed.run = [&parsed] { return run_saga_verb(parsed); };
  });
}

CLI::App* add_journal_verb(CLI::App& journal, const char* name, const char* help, Parsed& parsed) {
  CLI::App* const verb = journal.add_subcommand(name, help);
  CLI::Option* const file =
      verb->add_option("--file", parsed.store.file, "the configuration that names the store")
          ->capture_default_str();
  verb->add_option("--store", parsed.store.store, "the store itself: PATH or sqlite:PATH")->excludes(file);
  return verb;
}

void add_journal_verbs(CLI::App& app, Parsed& parsed) {
  CLI::App* const journal = app.add_subcommand("journal", "care for the store, also while it is in use");
  journal->require_subcommand(1);
  CLI::App* const backup = add_journal_verb(*journal, "backup", "a consistent copy as a new file", parsed);
  backup->add_option("COPY", parsed.journal_file, "the new file")->required();
  backup->callback([&] { parsed.run = [&] { return backup_journal(parsed.store, parsed.journal_file); }; });
  add_journal_verb(*journal, "verify", "read all of it and say what is wrong", parsed)->callback([&] {
    parsed.run = [&] { return verify_journal(parsed.store); };
  });
  CLI::App* const exported = add_journal_verb(*journal, "export", "write it as JSON lines", parsed);
  exported->add_option("LINES", parsed.journal_file, "the new file; stdout");
  exported->callback([&] { parsed.run = [&] { return export_journal(parsed.store, parsed.journal_file); }; });
  CLI::App* const imported =
      add_journal_verb(*journal, "import", "make a new store of exported lines", parsed);
  imported->add_option("LINES", parsed.journal_file, "the exported file; - for stdin")->required();
  imported->callback([&] { parsed.run = [&] { return import_journal(parsed.store, parsed.journal_file); }; });
}

// Verbs that the design promises: whoever tries one learns that it is not a slip of the finger.
void add_later_verbs(CLI::App& app, Parsed& parsed) {
  for (const char* name : {"import", "migrations", "logs", "sidecar"}) {
    CLI::App* const verb = app.add_subcommand(name)->group("")->allow_extras();
    verb->callback([&parsed, name] {
      parsed.run = [name] {
        std::fprintf(stderr, "flotilla: '%s' is not in this build yet\n", name);
        return 1;
      };
    });
  }
}

}  // namespace

int run_command_line(int argc, const char* const* argv, const Commands& commands) {
  Parsed parsed;
  CLI::App app{"Flotilla: discovery, gateway and resilience for a fleet of services", "flotilla"};
  app.require_subcommand(1);
  add_file_verbs(app, commands, parsed);
  add_client_verbs(app, parsed);
  add_saga_verb(app, parsed);
  add_topic_options(*add_client_verb(app, "topics", "look at topics of events, or delete one", parsed),
                    parsed.topic, parsed.client, parsed.run);
  add_subject_options(*add_client_verb(app, "subjects", "erase the personal data of somebody", parsed),
                      parsed.topic, parsed.client, parsed.run);
  add_subscription_options(
      *add_client_verb(app, "subscriptions", "look at subscriptions and their dead letters, or operate one",
                       parsed),
      parsed.subscriptions, parsed.client, parsed.run);
  add_queue_verb(app, parsed);
  add_kafka_verb(app, parsed);
  add_view_verb(app, parsed);
  add_aggregate_options(*add_client_verb(app, "aggregates", "look at aggregates", parsed), parsed.aggregate,
                        parsed.client, parsed.run);
  add_trace_verb(app, parsed);
  add_simulate_verb(app, commands, parsed);
  add_journal_verbs(app, parsed);
  add_outbox_options(*app.add_subcommand("outbox", "publish what a service wrote into an outbox table"),
                     parsed.outbox, parsed.run);
  add_later_verbs(app, parsed);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (commands.parsed) {
    commands.parsed();
  }
  parsed.client.form = parsed.output == "json" ? OutputForm::json : OutputForm::table;
  return parsed.run();
}

}  // namespace flotilla::app
