// Care for a store: verify, back up, export, import.
#include <fstream>
#include <iostream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/journal/backup.hpp"
#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/journal/test_support.hpp"
#include "flotilla/journal/transfer.hpp"
#include "flotilla/journal/verify.hpp"

namespace flotilla::journal {
namespace {

using test::append;
using test::at;
using test::record;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Care : public testing::Test {
 protected:
  std::unique_ptr<SqliteJournal> open(const std::string& path) {
    return SqliteJournal::open(
               {.path = path, .vocabulary = test::vocabulary(), .now = [] { return UtcMillis(5'000); }})
        .value();
  }
  // One of everything.
  void fill() {
    auto journal = open(path_);
    journal->set_retention(RecordClass::topic, "short", Millis(60'000));
    for (int i = 0; i < 3; ++i) {
      Batch batch = at(*journal, 1'000 + i);
      const StreamRef saga = batch.create();
      const StreamRef topic = batch.create();
      NewRecord odd{.type = 2, .schema = 2};
      BodyWriter(odd.body)
          .number(1, 18'446'744'073'709'551'615U)
          .bytes(2, "\xff\x00z")
          .bytes(3, "text \"quoted\"");
      batch.appends.push_back({RecordClass::saga, saga, {}, {record("a"), odd}});
      batch.appends.push_back(
          {RecordClass::topic, topic, {}, {record("b", "short"), record("c", "long"), record("d")}});
      Hash hash{};
      hash[0] = static_cast<std::uint8_t>(i);
      batch.claims.push_back({"scope", "k\xff" + std::to_string(i), saga, hash, UtcMillis(9'000)});
      batch.summaries.push_back({RecordClass::saga, saga, "order", "running", R"({"user":"ü"})"});
      batch.cursors.push_back(
          {"c" + std::to_string(i), RecordClass::topic, "short", Position(1), std::string("\x00\x01", 2)});
      batch.rows.push_back({7, {"k\xc3\xbc", std::to_string(i)}, R"({"n":1})"});
      ASSERT_TRUE(append(*journal, std::move(batch)).has_value());
    }
  }
  StoreReport verify(const std::string& path) {
    auto report = verify_store(path, test::vocabulary());
    EXPECT_TRUE(report.has_value()) << report.error().message;
    return report.value_or(StoreReport{});
  }
  std::vector<std::string> export_lines(const std::string& path) {
    std::vector<std::string> lines;
    const auto count = export_store(path, test::vocabulary(), [&](std::string_view line) -> Result<> {
      lines.emplace_back(line);
      return {};
    });
    EXPECT_TRUE(count.has_value()) << count.error().message;
    EXPECT_EQ(count.value_or(0), lines.size());
    return lines;
  }
  Result<std::uint64_t> import_lines(const std::string& path, const std::vector<std::string>& lines) {
    std::size_t next = 0;
    return import_store(path, test::vocabulary(), [&]() -> std::optional<std::string> {
      return next < lines.size() ? std::optional(lines[next++]) : std::nullopt;
    });
  }
  void damage(const std::string& sql) {
    auto db = sqlite::Connection::open(path_, sqlite::Connection::Mode::create, "").value();
    ASSERT_TRUE(db->execute(sql)) << db->error()->message;
  }

  test::Directory directory_;
  const std::string path_ = directory_.file("journal.db");
};

TEST_F(Care, AWholeStoreHasNoProblems) {
  fill();
  const StoreReport report = verify(path_);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.records, 15U);
  EXPECT_EQ(report.streams, 6U);
  EXPECT_EQ(report.position, Position(15));
}

TEST_F(Care, EveryDamageIsNamed) {
  struct Case {
    std::string sql;
    std::string problem;
  };
  const Case cases[] = {
      {"DELETE FROM saga WHERE position = 2",
       "of 15 positions 14 hold a record and 0 were forgotten: 1 are not accounted for"},
      {"DELETE FROM saga WHERE position = 6", "saga stream 3 has 1 records with versions 2 to 2"},
      {"UPDATE saga SET record = x'09' WHERE position = 1", "position 1: a record of 1 bytes is cut"},
      {"UPDATE saga SET record = x'020101010001010100' WHERE position = 1",
       "position 1: a record has format 2"},
      {"UPDATE saga SET record = (SELECT record FROM saga WHERE position = 2) WHERE position = 1",
       "position 1: the record is saga stream 1 version 2, its row says 1 stream 1 version 1"},
      {"INSERT INTO topic VALUES (1, 9, 1, 0, x'0102090101010101')", "position 1 stands twice"},
      {"UPDATE saga SET record = x'0101010101"
       "07"
       "0100"
       "' WHERE position = 1",
       "position 1: saga records have no type 7 in this version of Flotilla"},
      {"UPDATE saga SET record = x'0101010109"
       "01"
       "0100"
       "' WHERE position = 1",
       "position 2: epoch 1 of stream 1 follows epoch 9"},
      {"INSERT INTO claims VALUES ('s', 'k', 999, x'00', 0)",
       "1 of claims name a stream that was never created"},
      {"UPDATE cursors SET position = 999", "3 cursors are ahead of the journal"},
      {"INSERT INTO search VALUES ('user', 'u1', 999)",
       "the index of attributes names 1 that are of no row, and lacks 0"},
      {R"(UPDATE summaries SET attributes = '{"search":{"user":"u1"}}' WHERE stream = (SELECT min(stream) FROM summaries))",
       "the index of attributes names 0 that are of no row, and lacks 1"},
  };
  for (const Case& c : cases) {
    std::filesystem::remove(path_);
    fill();
    damage(c.sql);
    EXPECT_THAT(verify(path_).problems, testing::Contains(HasSubstr(c.problem))) << c.sql;
  }
}

TEST_F(Care, ADamagedRecordStopsItsReaderWithItsPosition) {
  fill();
  damage(
      "UPDATE topic SET record = x'0102020201"
      "09"
      "0100"
      "' WHERE position = 9");
  auto journal = open(path_);
  CategoryQuery query = test::of_category(RecordClass::topic, "long");
  const auto page = test::read(*journal, query);
  ASSERT_FALSE(page.has_value());
  EXPECT_EQ(page.error().message,
            "the journal cannot be read beyond position 8: topic records have no type 9 in this version of "
            "Flotilla: a "
            "newer version wrote it");
  query.limits.records = 1;
  EXPECT_FALSE(test::read(*journal, query).has_value() && test::read(*journal, query)->at_end);
}

TEST_F(Care, ABackupOfAStoreInUseIsWhole) {
  auto journal = open(path_);
  std::atomic<bool> writing{true};
  std::atomic<std::uint64_t> acknowledged{0};
  std::thread writer([&] {
    while (writing) {
      acknowledged = append(*journal,
                            [&] {
                              Batch batch = at(*journal);
                              batch.appends.push_back({RecordClass::saga, batch.create(), {}, {record("a")}});
                              return batch;
                            }())
                         .value()
                         .position.number();
    }
  });
  for (int i = 0; i < 5; ++i) {
    while (acknowledged < static_cast<std::uint64_t>(20 * i) + 1) {
      std::this_thread::yield();
    }
    const std::uint64_t before = acknowledged;
    const std::string copy = directory_.file("copy" + std::to_string(i) + ".db");
    const auto result = backup_store(path_, copy);
    ASSERT_TRUE(result.has_value()) << result.error().message;
    const StoreReport report = verify(copy);
    EXPECT_THAT(report.problems, IsEmpty());
    EXPECT_GE(report.position.number(), before);
  }
  writing = false;
  writer.join();
  EXPECT_EQ(open(directory_.file("copy0.db"))->epoch(), 2U);  // a store like any other
}

TEST_F(Care, ABackupOverwritesNothingAndNeedsAStore) {
  fill();
  std::ofstream(directory_.file("there")) << "precious";
  EXPECT_EQ(backup_store(path_, directory_.file("there")).error().message,
            directory_.file("there") + " exists already: name another file, or move it away");
  EXPECT_EQ(backup_store(directory_.file("none"), directory_.file("copy")).error().code, Errc::not_found);
  EXPECT_EQ(backup_store(directory_.file("there"), directory_.file("copy")).error().code, Errc::invalid);
  EXPECT_FALSE(std::filesystem::exists(directory_.file("copy")));
  EXPECT_FALSE(std::filesystem::exists(directory_.file("copy.partial")));
}

TEST_F(Care, AnExportReadsForPeopleAndImportsToTheSameStore) {
  fill();
  const auto lines = export_lines(path_);
  EXPECT_EQ(lines[0],
            R"({"journal":{"format":1,"epoch":1,"forgotten":0,"last_position":0,"last_stream":0}})");
  EXPECT_EQ(lines[1], R"({"segment":{"id":5,"class":"topic","retain":60000,"opened":5000,"first":3}})");
  EXPECT_EQ(
      lines[3],
      R"({"record":{"position":2,"segment":1,"class":"saga","stream":1,"version":2,"epoch":1,"type":2,"name":"done",)"
      R"("schema":2,"time":1000,"body":[[1,18446744073709551615],[2,{"hex":"ff"}],[3,"text \"quoted\""]]}})");
  EXPECT_EQ(lines.back(), R"({"end":{"lines":29}})");

  const std::string copy = directory_.file("copy.db");
  const auto count = import_lines(copy, lines);
  ASSERT_TRUE(count.has_value()) << count.error().message;
  EXPECT_EQ(export_lines(copy), lines);
  EXPECT_THAT(verify(copy).problems, IsEmpty());
  auto journal = open(copy);
  EXPECT_EQ(journal->epoch(), 2U);
  EXPECT_EQ(test::create(*journal, RecordClass::saga, {"next"}), StreamId(7));
}

TEST_F(Care, AnImportThatIsNotRightLeavesNothing) {
  fill();
  const auto lines = export_lines(path_);
  const std::string copy = directory_.file("copy.db");
  struct Case {
    std::size_t line;
    std::string text;  // in its place; empty: without it
    std::string message;
  };
  const Case cases[] = {
      {lines.size() - 1, "", "line 29: the end is missing: the file was cut"},
      {5, "", "line 29: 29 lines were written, 28 are here"},
      {0, "", "line 1: the first line, and no other, is \"journal\""},
      {4, "{", "line 5: byte 1"},
      {4, R"({"thing":{}})", "line 5: \"thing\" is no kind of line"},
      {4, R"({"a":1,"b":2})", "line 5: a line is an object of one member"},
      {4, R"({"cursor":{"name":"x","more":1}})", "line 5: \"more\" is not known"},
      {4, R"({"cursor":{"name":1}})", "line 5: \"state\" is neither a string nor"},
      {4, R"({"claim":{"scope":"s","key":{"hex":"0"},"stream":1,"hash":"","expires":0}})",
       "line 5: \"key\" is neither a string nor {\"hex\": \"...\"}"},
      {4, R"({"claim":{"scope":"s","key":"k","stream":0,"hash":"00","expires":0}})",
       "line 5: \"hash\" is no hash of 64 hexadecimal digits"},
      {4, R"({"head":{"stream":1.5,"version":1}})", "line 5: \"stream\" is no whole number from 1 to"},
      {4,
       R"({"record":{"position":3,"segment":1,"class":"saga","stream":1,"version":3,"epoch":1,"type":99,"name":"","schema":1,"time":1,"body":[]}})",
       "line 5: saga records have no type 99"},
      {4,
       R"({"record":{"position":3,"segment":2,"class":"saga","stream":1,"version":3,"epoch":1,"type":1,"name":"","schema":1,"time":1,"body":[]}})",
       "line 5: there is no segment 2 for saga records"},
      {4,
       R"({"record":{"position":3,"segment":1,"class":"saga","stream":1,"version":3,"epoch":1,"type":1,"name":"","schema":1,"time":1,"body":[[2,1],[1,1]]}})",
       "line 5: \"body\" has a field that is no [tag, value] with ascending tags"},
      {4,
       R"({"record":{"position":3,"segment":1,"class":"saga","stream":1,"version":3,"epoch":1,"type":1,"name":"","schema":1,"time":1,"body":[[1,1.5]]}})",
       "line 5: \"body\" has a number that is no whole 64-bit number"},
      {4,
       R"({"record":{"position":3,"segment":1,"class":"view","stream":1,"version":3,"epoch":1,"type":1,"name":"","schema":1,"time":1,"body":[]}})",
       "line 5: \"class\" is no class of records"},
      {4,
       R"({"record":{"position":90,"segment":1,"class":"saga","stream":1,"version":3,"epoch":1,"type":1,"name":"","schema":1,"time":1,"body":[]}})",
       "what was imported is not whole: "},
  };
  for (const Case& c : cases) {
    auto wrong = lines;
    if (c.text.empty()) {
      wrong.erase(wrong.begin() + static_cast<std::ptrdiff_t>(c.line));
    } else {
      wrong[c.line] = c.text;
    }
    const auto result = import_lines(copy, wrong);
    ASSERT_FALSE(result.has_value()) << c.text;
    EXPECT_TRUE(result.error().message.starts_with(c.message)) << result.error().message << " for " << c.text;
    EXPECT_FALSE(std::filesystem::exists(copy));
    EXPECT_FALSE(std::filesystem::exists(copy + ".partial"));
  }
}

}  // namespace
}  // namespace flotilla::journal
