#include "flotilla/http/core/api_answer.hpp"

#include <gtest/gtest.h>

namespace flotilla::http {
namespace {

TEST(ApiAnswer, TakesAPathApart) {
  const auto path = read_api_path("/v1/topics/a%2Fb/c?from=0&x", "/v1/topics");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->segments, (std::vector<std::string>{"a/b", "c"}));
  EXPECT_EQ(path->query, "from=0&x");
  EXPECT_TRUE(read_api_path("/v1/topics", "/v1/topics")->segments.empty());
  EXPECT_EQ(read_api_path("/v1/topicsx", "/v1/topics").error(), NoApiPath::elsewhere);
  EXPECT_EQ(read_api_path("/v1/sagas", "/v1/topics").error(), NoApiPath::elsewhere);
  EXPECT_EQ(read_api_path("/v1/topics/%2", "/v1/topics").error(), NoApiPath::malformed);
}

TEST(ApiAnswer, SaysProblems) {
  const Response late = problem_response({.reason = Reason::overloaded, .detail = "full", .retry_after = 2});
  EXPECT_EQ(late.status, 503);
  EXPECT_EQ(late.headers.get("Flotilla-Error"), "overloaded");
  EXPECT_EQ(late.headers.get("Retry-After"), "2");
  EXPECT_TRUE(late.body.contains(R"("detail":"full")"));
  const Response method = method_response("GET");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.headers.get("Allow"), "GET");
  EXPECT_EQ(json_response("{}", 202).headers.get("Cache-Control"), "no-store");
}

}  // namespace
}  // namespace flotilla::http
