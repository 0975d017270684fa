#include "flotilla/app/cli_topics.hpp"

#include <array>
#include <cstdlib>
#include <span>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "flotilla/app/cli_verbs.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::app {
namespace {

constexpr std::array kDeletedColumns{Column{"NAME", "name"}, Column{"STATE", "state"},
                                     Column{"EVENTS", "events"}};
constexpr std::array kSubjectColumns{Column{"SUBJECT", "subject"}, Column{"HAS KEY", "has_key"},
                                     Column{"ERASED", "erased"}};
constexpr std::array kErasedColumns{Column{"SUBJECT", "subject"}, Column{"KEYS", "keys"},
                                    Column{"DEAD LETTERS", "dead_letters"}, Column{"POSITION", "position"},
                                    Column{"WAITS FOR", "waits_for"}};

int ask(const ClientOptions& options, const char* method, std::string target, const TopicOrder* who,
        const Show& show) {
  http::Request request{.method = method, .target = std::move(target), .headers = {}, .body = {}};
  if (who != nullptr) {
    request.headers.add("Content-Type", "application/json");
    json::Writer out(request.body);
    out.begin_object().key("who").value(who->who).key("why").value(who->why);
    out.end();
  }
  return ask_and_show(options, std::move(request), show);
}

template <const auto& kColumns>
std::string table(const json::Value& answer) {
  return format_table(std::span(&answer, 1), kColumns);
}

// Throws what the command line answers with 2.
void check_person(TopicOrder& order, const std::string& verb) {
  if (const char* const user = std::getenv("USER"); order.who.empty() && user != nullptr) {
    order.who = user;
  }
  if (order.who.empty() || order.why.empty()) {
    throw CLI::ValidationError(order.who.empty() ? "--who" : "--why",
                               verb + " needs it: who does it, and why, is kept");
  }
}

void add_person(CLI::App& verb, TopicOrder& order) {
  verb.add_option("--who", order.who, "who does it; $USER");
  verb.add_option("--why", order.why, "why");
}

}  // namespace

void add_topic_options(CLI::App& verb, TopicOrder& order, const ClientOptions& options,
                       std::function<int()>& run) {
  verb.add_option("ACTION", order.verb, "list, show or delete")
      ->check(CLI::IsMember({"list", "show", "delete"}));
  verb.add_option("TOPIC", order.name, "which one; for show and delete");
  add_person(verb, order);
  verb.callback([&order, &options, &run] {
    if ((order.verb == "list") != order.name.empty()) {
      throw CLI::ValidationError(
          "TOPIC", order.verb == "list" ? "list takes no topic" : order.verb + " needs a topic");
    }
    if (order.verb == "delete") {
      check_person(order, "delete");
      run = [&] {
        return ask(options, "DELETE", with_segment("/api/v1/topics/", order.name), &order,
                   &table<kDeletedColumns>);
      };
    } else {
      run = [&] { return order.verb == "list" ? list_topics(options) : show_topic(options, order.name); };
    }
  });
}

void add_subject_options(CLI::App& verb, TopicOrder& order, const ClientOptions& options,
                         std::function<int()>& run) {
  verb.add_option("ACTION", order.verb, "show or erase")->required()->check(CLI::IsMember({"show", "erase"}));
  verb.add_option("ID", order.name, "whose data, as the events have it")->required();
  add_person(verb, order);
  verb.callback([&order, &options, &run] {
    const bool erases = order.verb == "erase";
    if (erases) {
      check_person(order, "erase");
    }
    run = [&, erases] {
      const std::string target = with_segment("/api/v1/subjects/", order.name);
      return erases ? ask(options, "POST", target + "/erase", &order, &table<kErasedColumns>)
                    : ask(options, "GET", target, nullptr, &table<kSubjectColumns>);
    };
  });
}

}  // namespace flotilla::app
