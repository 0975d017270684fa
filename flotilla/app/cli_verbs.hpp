// The client verbs: what they ask of the management API and how they show the answer.
//
// Ownership: values. Threads: main; each call asks once and returns (cli_client.hpp has the limits).
// Results go to stdout, messages to stderr; what is returned is the exit code, 0 or 1.
#pragma once

#include <string>

#include "flotilla/app/cli_ask.hpp"

namespace flotilla::app {

[[nodiscard]] int list_services(const ClientOptions& options);
// `gateway` empty: of all gateways.
[[nodiscard]] int list_routes(const ClientOptions& options, const std::string& gateway);
// Why a request would take the route it takes. `gateway` empty: the API decides which.
[[nodiscard]] int explain_route(const ClientOptions& options, const std::string& gateway,
                                const std::string& method, const std::string& url);
[[nodiscard]] int list_breakers(const ClientOptions& options);
[[nodiscard]] int show_breaker(const ClientOptions& options, const std::string& service);
// `action`: force-open, close or auto. Shows the breaker as it stands then.
[[nodiscard]] int set_breaker(const ClientOptions& options, const std::string& action,
                              const std::string& service);
[[nodiscard]] int list_topics(const ClientOptions& options);
[[nodiscard]] int show_topic(const ClientOptions& options, const std::string& topic);
[[nodiscard]] int list_views(const ClientOptions& options);
[[nodiscard]] int show_view(const ClientOptions& options, const std::string& name);
// The bridge, and a line for each topic.
[[nodiscard]] int show_kafka(const ClientOptions& options);
struct ViewOrder {
  std::string name;
  std::string who;
  std::string why;
};
// Shows it as it stands then.
[[nodiscard]] int rebuild_view(const ClientOptions& options, const ViewOrder& order);
[[nodiscard]] int explain_service(const ClientOptions& options, const std::string& service);

}  // namespace flotilla::app
