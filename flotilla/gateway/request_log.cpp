#include "flotilla/gateway/request_log.hpp"

#include "flotilla/base/text.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::gateway {

std::string_view client_of(const http::Exchange& exchange, const net::CidrSet& trusted) {
  std::string_view client = exchange.peer_ip();
  if (trusted.empty() || !trusted.contains(exchange.peer())) {
    return client;
  }
  const std::vector<http::FieldView>& fields = exchange.request().fields;
  for (auto field = fields.rbegin(); field != fields.rend(); ++field) {
    if (field->id != http::FieldId::x_forwarded_for) {
      continue;
    }
    for (std::string_view rest = field->value; !rest.empty();) {
      const std::size_t comma = rest.rfind(',');
      const std::string_view hop = trim(comma == std::string_view::npos ? rest : rest.substr(comma + 1));
      rest = rest.substr(0, comma == std::string_view::npos ? 0 : comma);
      const auto address = net::SocketAddress::from_ip(hop, 0);
      if (!address) {
        return client;
      }
      client = hop;
      if (!trusted.contains(*address)) {
        return client;
      }
    }
  }
  return client;
}

void RequestLog::write() const {
  const Duration took = exchange_.loop().now() - exchange_.began();
  log_->add(view_.worker, {.time = {net::wall_now().ns_since_epoch - took.count()},
                           .trace = trace_,
                           .gateway = view_.gateway->name,
                           .route = route_,
                           .method = exchange_.request().method_name,
                           .target = exchange_.request().path,
                           .status = exchange_.status(),
                           .reason = exchange_.reason(),
                           .bytes = exchange_.bytes_sent(),
                           .duration = took,
                           .service = service_,
                           .instance = instance_,
                           .attempts = attempts_,
                           .client = client_of(exchange_, view_.gateway->trusted)});
}

}  // namespace flotilla::gateway
