#include "flotilla/telemetry/core/trace.hpp"

#include <string>

#include <gtest/gtest.h>

namespace flotilla::telemetry {
namespace {

const std::string kTrace = "0af7651916cd43dd8448eb211c80319c";
const std::string kSpan = "b7ad6b7169203331";

template <std::size_t N>
std::string text(const std::array<char, N>& chars) {
  return {chars.data(), N};
}

struct Case {
  std::string header;
  std::string rewritten;  // empty: must be ignored
};

TEST(Traceparent, IsReadAsTheStandardAsks) {
  const std::string ids = kTrace + "-" + kSpan;
  const Case cases[] = {
      {"00-" + ids + "-01", "00-" + ids + "-01"},
      {"00-" + ids + "-00", "00-" + ids + "-00"},
      {"00-" + ids + "-03", "00-" + ids + "-03"},
      {"00-" + ids + "-ff", "00-" + ids + "-03"},  // flags that nobody defined are not passed on
      {"cc-" + ids + "-01", "00-" + ids + "-01"},
      {"cc-" + ids + "-01-what-will-come", "00-" + ids + "-01"},
      {"cc-" + ids + "-01-", "00-" + ids + "-01"},
      {"cc-" + ids + "-01.later", ""},
      {"00-" + ids + "-01-more", ""},
      {"00-" + ids + "-01-", ""},
      {"ff-" + ids + "-01", ""},
      {"0-" + ids + "-01", ""},
      {"00-" + ids + "-1", ""},
      {"00-" + ids + "-0g", ""},
      {"0x-" + ids + "-01", ""},
      {"00-" + std::string(32, '0') + "-" + kSpan + "-01", ""},
      {"00-" + kTrace + "-" + std::string(16, '0') + "-01", ""},
      {"00-0AF7651916CD43DD8448EB211C80319C-" + kSpan + "-01", ""},
      {"00-" + kTrace + "-B7AD6B7169203331-01", ""},
      {"00." + ids + "-01", ""},
      {"00-" + kTrace + "." + kSpan + "-01", ""},
      {"00-" + ids + ".01", ""},
      {" 00-" + ids + "-01", ""},
      {"", ""},
  };
  for (const Case& c : cases) {
    const auto context = parse_traceparent(c.header);
    EXPECT_EQ(context ? text(traceparent(*context)) : "", c.rewritten) << c.header;
  }
}

TEST(Traceparent, EveryPrefixIsIgnored) {
  const std::string header = "00-" + kTrace + "-" + kSpan + "-01";
  for (std::size_t size = 0; size < header.size(); ++size) {
    EXPECT_FALSE(parse_traceparent(header.substr(0, size))) << size;
  }
}

TEST(Trace, AChildKeepsTheTraceAndNamesItsOwnSpan) {
  Random random(1);
  const auto parent = parse_traceparent("00-" + kTrace + "-" + kSpan + "-01");
  ASSERT_TRUE(parent);
  const TraceContext child = child_of(*parent, random);
  EXPECT_EQ(child.trace_id, parent->trace_id);
  EXPECT_NE(child.span_id, parent->span_id);
  EXPECT_TRUE(child.sampled);
  EXPECT_FALSE(child.random);
  EXPECT_EQ(text(trace_id_text(child)), kTrace);
}

TEST(Trace, ANewTraceSurvivesItsHeader) {
  Random random(7);
  const TraceContext first = new_trace(random, true);
  const TraceContext second = new_trace(random, false);
  EXPECT_NE(first.trace_id, second.trace_id);
  EXPECT_EQ(parse_traceparent(text(traceparent(first))), first);
  EXPECT_EQ(parse_traceparent(text(traceparent(second))), second);
}

}  // namespace
}  // namespace flotilla::telemetry
