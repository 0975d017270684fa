#include "flotilla/app/cli_subscriptions.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::app {
namespace {

constexpr std::array kColumns{
    Column{"NAME", "name"},           Column{"SOURCE", "source"},          Column{"TOPIC", "topic"},
    Column{"STATE", "state"},         Column{"POSITION", "position"},      Column{"UNSETTLED", "unsettled"},
    Column{"IN FLIGHT", "in_flight"}, Column{"RETRYING", "retrying"},      Column{"OLDEST", "oldest"},
    Column{"HELD KEYS", "held_keys"}, Column{"DEAD LETTER", "dead_letter"}};
constexpr std::array kLetterColumns{Column{"ID", "id"},         Column{"STATE", "state"},
                                    Column{"EVENT", "event"},   Column{"KEY", "key"},
                                    Column{"TYPE", "type"},     Column{"REASON", "reason"},
                                    Column{"CODE", "code"},     Column{"ATTEMPTS", "attempts"},
                                    Column{"BURIED", "buried"}, Column{"CHANGED", "changed"}};
constexpr std::array kStepColumns{Column{"TIME", "time"}, Column{"VERB", "verb"},
                                  Column{"WHO", "who"},   Column{"WHY", "why"},
                                  Column{"CODE", "code"}, Column{"ATTEMPTS", "attempts"}};
// As many a request as the API takes.
constexpr std::uint32_t kBulk = 500;

std::string subscription_table(const json::Value& subscription) {
  return format_table(std::span(&subscription, 1), kColumns);
}

std::string letter_text(const json::Value& letter) {
  std::string out;
  for (const auto& [heading, member] :
       {std::pair("ID", "id"), std::pair("STATE", "state"), std::pair("TOPIC", "topic"),
        std::pair("POSITION", "position"), std::pair("KEY", "key"), std::pair("REASON", "reason"),
        std::pair("CODE", "code"), std::pair("ANSWER", "body"), std::pair("ATTEMPTS", "attempts"),
        std::pair("EDITED", "edited"), std::pair("BURIED", "buried")}) {
    out += fmt::format("{:<10}{}\n", heading, format_cell(letter[member]));
  }
  out += fmt::format("{:<10}{}\n", "EVENT", format_cell(json::Value(json::write(letter["event"]))));
  return letter["history"].empty() ? out : out + '\n' + format_table(letter["history"].items(), kStepColumns);
}

std::string path_of(const std::string& subscription) {
  return with_segment("/api/v1/subscriptions/", subscription);
}

int get(const ClientOptions& options, std::string target, const Show& show) {
  return ask_and_show(options, {.method = "GET", .target = std::move(target), .headers = {}, .body = {}},
                      show);
}

int post(const ClientOptions& options, std::string target, std::string body, const Show& show) {
  return ask_and_show(options,
                      {.method = "POST",
                       .target = std::move(target),
                       .headers = {{"Content-Type", "application/json"}},
                       .body = std::move(body)},
                      show);
}

int run_order(const ClientOptions& options, const SubscriptionOrder& order) {
  if (order.verb == "list") {
    return get(options, "/api/v1/subscriptions", as_list(kColumns));
  }
  if (order.verb == "show") {
    return get(options, path_of(order.name), &subscription_table);
  }
  std::string body;
  json::Writer out(body);
  out.begin_object();
  for (const auto& [name, value] :
       {std::pair("from", &order.from), std::pair("to", &order.to), std::pair("key", &order.key),
        std::pair("who", &order.who), std::pair("why", &order.why)}) {
    if (!value->empty()) {
      out.key(name).value(*value);
    }
  }
  out.end();
  if (order.verb == "forget") {
    return post(options, path_of(order.name) + "/forget", std::move(body),
                [](const json::Value&) { return std::string("it is being forgotten\n"); });
  }
  return post(options, path_of(order.name) + "/" + order.verb, std::move(body), &subscription_table);
}

int list_letters(const ClientOptions& options, const DeadLetterOrder& order) {
  std::string target = path_of(order.name) + "/dead-letters";
  for (const auto& [name, value] :
       {std::pair("state", &order.state), std::pair("key", &order.key), std::pair("reason", &order.reason),
        std::pair("code", &order.code), std::pair("after", &order.after)}) {
    if (!value->empty()) {
      add_parameter(target, name, *value);
    }
  }
  add_parameter(target, "limit", std::to_string(order.limit));
  return get(options, std::move(target), [](const json::Value& answer) {
    if (answer["next"].is_string()) {
      fmt::print(stderr, "flotilla: there are more: --after {}\n", format_cell(answer["next"]));
    }
    return as_list(kLetterColumns)(answer);
  });
}

int take_letter(const ClientOptions& options, const DeadLetterOrder& order) {
  std::string body;
  json::Writer out(body);
  out.begin_object().key("who").value(order.who).key("why").value(order.why);
  if (!order.data.empty()) {
    out.key("data").raw(order.data);
  }
  out.end();
  return post(options, with_segment(path_of(order.name) + "/dead-letters/", order.id) + "/" + order.verb,
              std::move(body), &letter_text);
}

// A page after another, for people; programs see each page, and its `next`.
int take_letters(const ClientOptions& options, const DeadLetterOrder& order) {
  std::string after = order.after;
  std::int64_t done = 0;
  std::int64_t passed = 0;
  for (;;) {
    std::string body;
    json::Writer out(body);
    out.begin_object().key("who").value(order.who).key("why").value(order.why).key("limit").value(kBulk);
    for (const auto& [name, value] :
         {std::pair("key", &order.key), std::pair("reason", &order.reason), std::pair("code", &order.code),
          std::pair("after", &std::as_const(after))}) {
      if (!value->empty()) {
        out.key(name).value(*value);
      }
    }
    out.end();
    std::string next;
    const int code =
        post(options, path_of(order.name) + "/dead-letters/" + order.verb, std::move(body),
             [&](const json::Value& answer) {
               done += answer["done"].as_int().value_or(0);
               passed += answer["passed"].as_int().value_or(0);
               next = answer["next"].is_string() ? format_cell(answer["next"]) : "";
               return next.empty() ? fmt::format("{}: {} done, {} passed over\n", order.verb, done, passed)
                                   : std::string();
             });
    if (code != 0 || next.empty()) {
      return code;
    }
    after = std::move(next);
  }
}

int run_letters(const ClientOptions& options, const DeadLetterOrder& order) {
  if (order.verb == "list") {
    return list_letters(options, order);
  }
  if (order.verb == "show") {
    return get(options, with_segment(path_of(order.name) + "/dead-letters/", order.id), &letter_text);
  }
  return order.all ? take_letters(options, order) : take_letter(options, order);
}

[[noreturn]] void misuse(const std::string& what, const std::string& message) {
  throw CLI::ValidationError(what, message);
}

// Throws what the command line answers with 2.
void check_order(SubscriptionOrder& order) {
  const bool list = order.verb == "list";
  if (list != order.name.empty()) {
    misuse("NAME", list ? "list takes no name" : order.verb + " needs a subscription's name");
  }
  if ((order.verb == "replay") == order.from.empty()) {
    misuse("--from", "belongs to replay, which needs it");
  }
  if (order.verb != "replay" && !order.to.empty()) {
    misuse("--to", "belongs to replay");
  }
  if ((order.verb == "release") == order.key.empty()) {
    misuse("--key", "belongs to release, which needs it");
  }
  if (const char* const user = std::getenv("USER");
      order.verb == "forget" && order.who.empty() && user != nullptr) {
    order.who = user;
  }
  if (order.verb == "forget" && (order.who.empty() || order.why.empty())) {
    misuse(order.who.empty() ? "--who" : "--why", "who has a subscription forgotten, and why, is kept");
  }
}

void check_letters(const CLI::App& verb, DeadLetterOrder& order) {
  const bool list = order.verb == "list";
  const bool changes = order.verb == "edit" || order.verb == "replay" || order.verb == "drop";
  const bool many = order.verb == "replay" || order.verb == "drop";
  if (order.all && !many) {
    misuse("--all", "belongs to replay and drop");
  }
  if ((list || order.all) != order.id.empty()) {
    misuse("ID", list || order.all ? "with list and --all there is none"
                                   : order.verb + (many ? " needs a dead letter's id, or --all"
                                                        : " needs a dead letter's id"));
  }
  for (const char* const option : {"--key", "--reason", "--code", "--after"}) {
    if (verb.count(option) > 0 && !list && !order.all) {
      misuse(option, "belongs to list and --all");
    }
  }
  for (const char* const option : {"--state", "--limit"}) {
    if (verb.count(option) > 0 && !list) {
      misuse(option, "belongs to list");
    }
  }
  if ((order.verb == "edit") == order.data.empty() || (!order.data.empty() && !json::parse(order.data))) {
    misuse("--data", "belongs to edit, which needs it: what the event says from now on, as JSON");
  }
  if (const char* const user = std::getenv("USER"); changes && order.who.empty() && user != nullptr) {
    order.who = user;
  }
  if (changes && (order.who.empty() || order.why.empty())) {
    misuse(order.who.empty() ? "--who" : "--why", "a dead letter keeps who did what to it, and why");
  }
}

void add_letter_options(CLI::App& verb, DeadLetterOrder& order) {
  verb.add_option("NAME", order.name, "the subscription")->required();
  verb.add_option("ACTION", order.verb, "list, show, edit, replay (send again) or drop")
      ->check(CLI::IsMember({"list", "show", "edit", "replay", "drop"}));
  verb.add_option("ID", order.id, "the dead letter; for every action but list");
  verb.add_flag("--all", order.all, "replay, drop: all open ones that fit");
  verb.add_option("--state", order.state,
                  "list: open (by itself), replaying, delivered, dropped, expired, filtered or all");
  verb.add_option("--key", order.key, "list, --all: events of this key");
  verb.add_option("--reason", order.reason, "list, --all: refused, exhausted, parked or broken");
  verb.add_option("--code", order.code, "list, --all: the status, or word, that the first time ended with");
  verb.add_option("--after", order.after, "list, --all: from where a page ended");
  verb.add_option("--limit", order.limit, "list: at most so many")
      ->check(CLI::Range(1, 500))
      ->capture_default_str();
  verb.add_option("--data", order.data, "edit: what the event says from now on, as JSON");
  verb.add_option("--who", order.who, "who does it; $USER");
  verb.add_option("--why", order.why, "why");
}

}  // namespace

void add_subscription_options(CLI::App& verb, SubscriptionCommand& command, const ClientOptions& options,
                              std::function<int()>& run) {
  SubscriptionOrder& order = command.order;
  verb.add_option("ACTION", order.verb, "list, show, pause, resume, replay, release or forget")
      ->check(CLI::IsMember({"list", "show", "pause", "resume", "replay", "release", "forget"}));
  verb.add_option("NAME", order.name, "which one; for every action but list");
  verb.add_option("--from", order.from, "replay: what comes after this position is sent again; 0: all");
  verb.add_option("--to", order.to, "replay: ... up to this position; without it, all");
  verb.add_option("--key", order.key, "release: the key that is held back");
  verb.add_option("--who", order.who, "who asks");
  verb.add_option("--why", order.why, "why");
  CLI::App* const letters =
      verb.add_subcommand("dead-letters", "look at the dead letters of one, edit, replay or drop them");
  letters->fallthrough();
  add_letter_options(*letters, command.letters);
  verb.callback([&command, &options, &run, letters] {
    if (letters->parsed()) {
      check_letters(*letters, command.letters);
      run = [&options, &asked = command.letters] { return run_letters(options, asked); };
    } else {
      check_order(command.order);
      run = [&options, &asked = command.order] { return run_order(options, asked); };
    }
  });
}

}  // namespace flotilla::app
