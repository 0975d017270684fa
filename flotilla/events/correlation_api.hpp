// Business transactions over HTTP, for services and on the admin port alike.
//
//   GET .../correlations/{id}         one, as one picture: by its id, or by a correlation of its events
//   GET .../correlations              {items, next}: ?choreography=&state=&limit=&after=
//   Read-After: P, ?wait=200ms        as what is at least so new as P; else 503 behind
//
// No guard stands before it here: whoever opens a port does that. Ownership: borrows what Sources names.
// Threads: one loop's. Limits: kMaxListed items; a list looks at kMaxLooked rows for one answer, and goes on
// behind them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/events/core/correlation_picture.hpp"
#include "flotilla/events/instance_rows.hpp"
#include "flotilla/events/subscription.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::events {

class CorrelationApi {
 public:
  static constexpr std::string_view kPrefix = "/v1/correlations";
  static constexpr std::string_view kOperatorPrefix = "/api/v1/correlations";
  static constexpr std::size_t kMaxListed = 1000;
  static constexpr std::size_t kMaxLooked = 5000;
  static constexpr Duration kWait = std::chrono::seconds(1);
  static constexpr Duration kMaxWait = std::chrono::seconds(10);

  struct Sources {
    InstanceRows& rows;
    journal::Journal& journal;
    std::function<std::vector<SubscriptionPtr>()> subscriptions;
    // The saga of that id, as the API of sagas shows it; null: there is none.
    std::function<net::Task<json::Value>(std::string)> saga;
  };
  explicit CorrelationApi(Sources sources) : sources_(std::move(sources)) {}

  // Whether it answers that target on the application port.
  [[nodiscard]] static bool serves(std::string_view target) noexcept;

  // http::ApiHandlers.
  [[nodiscard]] net::Task<http::Response> handle(http::Request request, net::SocketAddress peer);
  [[nodiscard]] net::Task<http::Response> handle_operator(http::Request request, net::SocketAddress peer);

 private:
  struct List {
    std::string choreography;            // empty: all
    std::optional<InstanceState> state;  // nothing: any
    std::size_t limit = 100;
    // Behind which row it goes on.
    struct After {
      std::string choreography;
      std::string key;
      std::string row;
    };
    std::optional<After> after;
  };
  struct Listed {
    json::Value items = json::Value::array();
    std::optional<List::After> next;
    std::size_t looked = 0;
  };

  [[nodiscard]] net::Task<http::Response> answer(http::Request request, std::string_view prefix);
  [[nodiscard]] net::Task<Asked<Done>> await(std::string_view query, std::string_view read_after);
  [[nodiscard]] net::Task<http::Response> show(std::string id);
  [[nodiscard]] net::Task<Asked<Done>> find(std::string id, PictureParts& parts);
  [[nodiscard]] net::Task<Asked<Done>> add_instance(ChoreographyPtr choreography, std::string id,
                                                    PictureParts& parts);
  [[nodiscard]] net::Task<Asked<Done>> add_groups(PictureParts& parts);
  [[nodiscard]] net::Task<> add_sagas(PictureParts& parts);
  [[nodiscard]] net::Task<http::Response> list(std::string query);
  [[nodiscard]] Asked<List> read_list(std::string_view query) const;
  // Of one key of one choreography, behind `listed.next` if that lies in it; what is full says where it ends.
  [[nodiscard]] net::Task<Asked<bool>> list_key(const List& list, std::string choreography, std::string key,
                                                Listed& listed);

  Sources sources_;
};

}  // namespace flotilla::events
