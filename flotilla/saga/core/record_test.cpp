// Golden bytes: what is on disk today must be readable for ever.
#include "flotilla/saga/core/record.hpp"

#include <fstream>
#include <map>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"

namespace flotilla::saga {
namespace {

RequestPtr charge_request() {
  return std::make_shared<const RenderedRequest>(
      RenderedRequest{.method = "POST",
                      .service = "pay",
                      .target = "/charges",
                      .headers = {{"content-type", "application/json"}},
                      .body = R"({"amount":1.10})"});
}

// One of each type, every field set.
std::vector<Record> samples() {
  const SagaId id{.high = 0x0123456789abcdef, .low = 0xfedcba9876543210};
  return {
      {.body = record::Accepted{.id = id,
                                .definition = "d1",
                                .input = R"({"a":1})",
                                .key = "k",
                                .parent = {.saga = {.high = 1, .low = 2}, .step = 3},
                                .locks = {"order:1", "user:2"},
                                .deadline = 1'700'000'000'000,
                                .trace = "00-ab-cd-01",
                                .correlation = "c"},
       .exposed =
           {{.step = 0, .op = Op::action, .kind = Exposure::Kind::request, .request = charge_request()},
            {.step = 1, .op = Op::action, .kind = Exposure::Kind::skip, .request = nullptr},
            {.step = 2, .op = Op::action, .kind = Exposure::Kind::wait, .request = nullptr}}},
      {.body = record::StepDone{.step = 1, .status = 201, .output = "{}", .attempts = 2, .signal = "s1"},
       .exposed = {}},
      {.body = record::StepRefused{.step = 1, .status = 402, .detail = "no money", .attempts = 1},
       .exposed = {}},
      {.body = record::StepUnknown{.step = 2, .detail = "timeout", .attempts = 8}, .exposed = {}},
      {.body = record::Aborting{.cause = Cause::step, .step = 2, .status = 402, .detail = "no", .unsent = 5},
       .exposed =
           {{.step = 1, .op = Op::undo, .kind = Exposure::Kind::request, .request = charge_request()}}},
      {.body = record::CancelRequested{.who = "ann", .why = "wrong order"}, .exposed = {}},
      {.body = record::StepUndone{.step = 1, .status = 200, .null_undo = true, .attempts = 3}, .exposed = {}},
      {.body = record::UndoBlocked{.step = 1, .status = 409, .detail = "shipped", .attempts = 1},
       .exposed = {}},
      {.body =
           record::TimerSet{
               .id = 4, .due = 1'700'000'000'001, .use = TimerUse::wait, .step = 3, .op = Op::undo},
       .exposed = {}},
      {.body = record::TimerFired{.id = 4}, .exposed = {}},
      {.body = record::Signal{.id = "s1", .name = "approve", .payload = "true"}, .exposed = {}},
      {.body = record::Suspended{.reason = SuspendReason::config, .step = 1, .op = Op::undo, .detail = "302"},
       .exposed = {}},
      {.body = record::Resumed{.by = "ann"}, .exposed = {}},
      {.body = record::Operator{.verb = Verb::set_result,
                                .step = 1,
                                .op = Op::undo,
                                .who = "ann",
                                .why = "seen it",
                                .payload = "{}"},
       .exposed = {}},
      {.body = record::Held{.result = "{}"}, .exposed = {}},
      {.body = record::Completed{.result = "{}"}, .exposed = {}},
      {.body = record::Compensated{}, .exposed = {}},
      {.body = record::Failed{.residue = 6}, .exposed = {}},
      {.body = record::Rejected{.cause = Cause::deadline, .detail = "locked"}, .exposed = {}},
  };
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

TEST(SagaRecord, GoldenBytes) {
  std::ifstream file(FLOTILLA_SOURCE_DIR "/flotilla/saga/testdata/records.txt");
  std::map<std::string, std::string> golden;
  for (std::string name, bytes; file >> name >> bytes;) {
    golden[name] = bytes;
  }
  const auto all = samples();
  ASSERT_EQ(all.size(), kRecordTypes);
  for (const Record& record : all) {
    const std::string name(record_name(record.type()));
    const std::string bytes = encode(record);
    EXPECT_EQ(golden[name], bytes.empty() ? "-" : hex(bytes)) << name;
    const auto read = decode(record.type(), bytes);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(encode(*read), bytes);
    EXPECT_EQ(read->exposed.size(), record.exposed.size());
  }
}

TEST(SagaRecord, FieldsComeBack) {
  const auto all = samples();
  const auto read = decode(1, encode(all[0]));
  ASSERT_TRUE(read);
  const auto& accepted = std::get<record::Accepted>(read->body);
  EXPECT_EQ(accepted.parent, (Parent{.saga = {.high = 1, .low = 2}, .step = 3}));
  EXPECT_EQ(accepted.locks, (std::vector<std::string>{"order:1", "user:2"}));
  EXPECT_EQ(accepted.deadline, 1'700'000'000'000);
  ASSERT_EQ(read->exposed.size(), 3U);
  EXPECT_EQ(*read->exposed[0].request, *charge_request());
  EXPECT_EQ(read->exposed[1].kind, Exposure::Kind::skip);
  EXPECT_EQ(read->exposed[2].step, 2);
}

TEST(SagaRecord, UnknownTypesAreRefused) {
  EXPECT_FALSE(decode(0, ""));
  EXPECT_EQ(decode(kRecordTypes + 1, "").error().code, Errc::unsupported);
  EXPECT_FALSE(decode(17, "\x02\x01")) << "compensated has no fields";
}

// Whatever is accepted is written back as it was.
TEST(SagaRecord, DamageIsRefusedOrHarmless) {
  constexpr std::uint64_t kSeed = 20261124;
  Random random(kSeed);
  const auto all = samples();
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Record& record = all[random.below(all.size())];
    std::string bytes = encode(record);
    if (bytes.empty()) {
      continue;
    }
    switch (random.below(3)) {
      case 0:
        bytes.resize(random.below(bytes.size()));
        break;
      case 1:
        bytes[random.below(bytes.size())] = static_cast<char>(random.next());
        break;
      default:
        bytes.insert(random.below(bytes.size()), 1, static_cast<char>(random.next()));
        break;
    }
    const auto read = decode(record.type(), bytes);
    refused += read ? 0 : 1;
    if (read) {
      ASSERT_EQ(hex(encode(*read)), hex(bytes))
          << "seed " << kSeed << ", case " << i << " of " << record_name(record.type());
    }
  }
  EXPECT_GT(refused, 5'000);
}

TEST(SagaRecord, NamesReadBack) {
  for (std::size_t i = 0; i < kVerbs; ++i) {
    EXPECT_EQ(parse_verb(to_string(static_cast<Verb>(i))), static_cast<Verb>(i));
  }
  EXPECT_FALSE(parse_verb("explode"));
}

}  // namespace
}  // namespace flotilla::saga
