// What is written from the description of the file: its JSON Schema for editors, and its reference page.
#include <fmt/format.h>

#include "flotilla/app/config_spec.hpp"
#include "flotilla/app/port_config.hpp"
#include "flotilla/call/service_config_reader.hpp"
#include "flotilla/cqrs/aggregate_config_reader.hpp"
#include "flotilla/cqrs/view_config_reader.hpp"
#include "flotilla/events/choreography_config_reader.hpp"
#include "flotilla/events/subscription_config_reader.hpp"
#include "flotilla/events/topic_config_reader.hpp"
#include "flotilla/gateway/gateway_config_reader.hpp"
#include "flotilla/saga/definition_reader.hpp"

namespace flotilla::app {
namespace {

constexpr std::string_view kReferenceHead = R"(# Configuration

One YAML file holds everything. `flotilla check FILE` says what is wrong with one, each problem with its line and
column; `flotilla schema` prints a JSON Schema for editors. This page is written by the program from the same
description it reads files with, and a test compares the two; `FLOTILLA_WRITE_DOCS=1` before the test rewrites it.

**Values.** A duration is a whole number with its unit: `250ms`, `5s`, `10m`, `1h`, `7d`. A size likewise: `512B`,
`64KiB`, `10MiB`, `2GiB`, in units of 1024. A share is `25%`, a rate `100/s`, `1000/m`, `5/h` or `10/d`. A number
without its unit is an error.

**Expansion.** In a value, `${NAME}` stands for an environment variable, `${NAME:-default}` for one that may be
missing, `${file:PATH}` for the content of a file, relative to the configuration file and without its final
newlines; `$${` stands for `${`.

**Refused.** Unknown keys, keys that stand twice, anchors, aliases, tags, a second document.
)";

std::string reference_tail() {
  return fmt::format(
      "\n## Bounds\n\nA file is at most {}, nested at most {} levels, with at most {} keys and values; all "
      "expansions "
      "together bring in at most {}.\n",
      config::show_size(config::kMostBytes), config::kMostDepth, config::kMostNodes,
      config::show_size(config::kMostExpanded));
}

}  // namespace

std::string config_schema() {
  return fmt::format(
      R"({{"$schema":"http://json-schema.org/draft-07/schema#","title":"flotilla.yaml","type":"object",)"
      R"("additionalProperties":false,"properties":{{"flotilla":{{"const":1}},"workers":{{"type":"integer","minimum":1,"maximum":256}},)"
      R"("trusted_proxies":{{"type":"array","items":{{"type":"string"}}}},"admin":{},"api":{},"stores":{},"registry":{},"defaults":{},)"
      R"("services":{{"type":"object","additionalProperties":{}}},"gateways":{{"type":"object","additionalProperties":{}}},)"
      R"("compositions":{{"type":"object","additionalProperties":{}}},)"
      R"("sagas":{{"type":"object","additionalProperties":{}}},)"
      R"("topics":{{"type":"object","additionalProperties":{}}},)"
      R"("subscriptions":{{"type":"object","additionalProperties":{}}},)"
      R"("views":{{"type":"object","additionalProperties":{}}},)"
      R"("aggregates":{{"type":"object","additionalProperties":{}}},)"
      R"("choreographies":{{"type":"object","additionalProperties":{}}}}}}})",
      admin_spec().schema(), api_spec().schema(), stores_spec({}).schema(), registry_spec().schema(),
      call::defaults_spec().schema(), call::service_spec().schema(), gateway::gateway_schema(),
      gateway::composition_schema(), saga::saga_schema(), events::topic_schema(),
      events::subscription_schema(), cqrs::view_schema(), cqrs::aggregate_schema(),
      events::choreography_schema());
}

std::string config_reference() {
  std::string out(kReferenceHead);
  const auto table = [&out](std::string_view title, std::string_view about, const std::string& rows) {
    out += fmt::format("\n## {}\n\n{}\n\n| Key | Value | Default | Meaning |\n|---|---|---|---|\n{}", title,
                       about, rows);
  };
  table("The file", "Every key may be left out.", file_spec({}, {}).reference());
  table("`admin`", "The management API; see [operations](operations.md).", admin_spec().reference());
  table("`api`", "The application API; only what the file names is opened. See [sagas](sagas.md).",
        api_spec().reference());
  table("`stores`", "Opened where the file names it, sagas, topics or queues. See [the journal](journal.md).",
        stores_spec({}).reference());
  table("`registry`", "See [discovery](discovery.md).", registry_spec().reference());
  table("`telemetry`", "Named by the design, refused so far.", telemetry_spec().reference());
  table("`services.NAME`",
        "A service without an entry, named by a route or a call, is discovered by its name and has the "
        "defaults. "
        "What the policies and fallbacks do stands in [resilience](resilience.md).",
        call::service_spec().reference());
  table("`defaults`", "What every service has that does not say otherwise.",
        call::defaults_spec().reference());
  table("`gateways.NAME`", "What a route may say stands in [routing](routing.md).",
        gateway::gateway_reference());
  out +=
      "\n## `compositions.NAME`\n\nA mapping of branch names to calls; the keys of a branch stand in "
      "[aggregation](aggregation.md).\n";
  table("`sagas.NAME`", "What a saga does, and how to write one, stands in [sagas](sagas.md).",
        saga::saga_reference());
  table("A step of a saga", "`sagas.NAME.steps` is a list of these, each `NAME: {...}`.",
        saga::step_reference());
  table("`topics.NAME`",
        "A topic that something names without an entry has the defaults. What topics do stands in "
        "[events](events.md).",
        events::topic_reference());
  table("`subscriptions.NAME`", "How events are delivered stands in [events](events.md#subscriptions).",
        events::subscription_reference());
  table("`views.NAME`", "What views are, and how they are read, stands in [views](views.md).",
        cqrs::view_reference());
  table("`aggregates.NAME`", "What aggregates and commands are stands in [commands](commands.md).",
        cqrs::aggregate_reference());
  table("`aggregates.NAME.commands.NAME`", "How a command is executed stands in [commands](commands.md).",
        cqrs::command_reference());
  table("`choreographies.NAME`",
        "What choreographies show, and what is told, stands in [choreographies](choreographies.md).",
        events::choreography_reference());
  out += reference_tail();
  return out;
}

}  // namespace flotilla::app
