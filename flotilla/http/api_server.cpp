#include "flotilla/http/api_server.hpp"

namespace flotilla::http {

net::Task<> ApiServer::handle(Exchange& exchange) {
  auto body = co_await exchange.read_whole_body();
  if (!body) {
    exchange.answer_failure(body.error());
    co_return;
  }
  const RequestHead& head = exchange.request();
  Request request{
      .method = std::string(head.method_name), .headers = head.copy_fields(), .body = std::move(*body)};
  request.target = head.path;
  if (head.has_query) {
    request.target.append("?").append(head.query);
  }
  std::string host(head.host);
  if (head.port) {
    host.append(":").append(std::to_string(*head.port));
  }
  request.headers.set("Host", std::move(host));
  if (streams_ && request.headers.get("Accept").value_or("").contains("text/event-stream") &&
      co_await streams_(request, exchange)) {
    co_return;
  }
  const Response response = co_await handler_(std::move(request), exchange.peer());
  std::vector<HeaderLine> fields;
  fields.reserve(response.headers.size());
  for (const Field& field : response.headers) {
    fields.push_back({field.name, field.value});
  }
  exchange.respond(response.status, fields, response.body);
}

}  // namespace flotilla::http
