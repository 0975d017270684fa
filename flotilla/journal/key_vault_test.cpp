// Sealing and erasing, by the key vault alone and in the embedded store: what is in which file, byte by byte.
#include "flotilla/journal/key_vault.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "flotilla/journal/backup.hpp"
#include "flotilla/journal/core/event.hpp"
#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/journal/test_support.hpp"
#include "flotilla/journal/transfer.hpp"
#include "flotilla/journal/verify.hpp"

namespace flotilla::journal {
namespace {

using test::answer;
using test::append;
using test::at;
using test::of_category;

constexpr std::string_view kSecret = "ann@secret.example";
constexpr std::string_view kData = R"({"user_id": "7",  "email": "ann@secret.example", "total": 1.10})";

PersonalFields fields() { return {.subject = {"user_id"}, .fields = {{"email"}}}; }

std::string event_of(std::string_view data) {
  return encode(Event{.attributes = {{"id", "1"}, {"source", "/x"}}, .data = std::string(data)});
}

std::string data_of(std::string_view body) { return decode_event(body).value().data; }

bool is_in(const std::string& path, std::string_view text) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream all;
  all << file.rdbuf();
  return all.str().find(text) != std::string::npos;
}

class Vault : public testing::Test {
 protected:
  std::string seal(KeyVault& vault, std::string_view data) {
    std::string kept = vault.seal("orders", event_of(data), UtcMillis(1)).value().value();
    EXPECT_TRUE(vault.save());
    return kept;
  }
  test::Directory directory_;
  const std::string path_ = directory_.file("journal.db.keys");
};

TEST_F(Vault, OpensWhatItSealedAsItWas) {
  KeyVault vault(path_);
  vault.set_policies({{"orders", fields()}});
  EXPECT_FALSE(std::filesystem::exists(path_));
  const std::string kept = seal(vault, kData);
  EXPECT_EQ(kept.find(kSecret), std::string::npos);
  EXPECT_EQ(data_of(vault.open(kept).value().value()), kData);
  EXPECT_NE(seal(vault, kData), kept);  // another nonce
  // Another process, later, that has no policy any more.
  KeyVault later(path_);
  EXPECT_EQ(data_of(later.open(kept).value().value()), kData);
  struct stat about{};
  ASSERT_EQ(::stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600U);
}

TEST_F(Vault, WhatIsNotSavedIsLost) {
  std::string kept;
  {
    KeyVault vault(path_);
    vault.set_policies({{"orders", fields()}});
    kept = vault.seal("orders", event_of(kData), UtcMillis(1)).value().value();
    EXPECT_EQ(data_of(vault.open(kept).value().value()), kData);
  }
  KeyVault vault(path_);
  EXPECT_NE(data_of(vault.open(kept).value().value()), kData);
}

TEST_F(Vault, LeavesAloneWhatIsNotPersonal) {
  KeyVault vault(path_);
  EXPECT_FALSE(vault.seal("orders", event_of(kData), UtcMillis(1)).value());  // no policy
  vault.set_policies({{"orders", fields()}});
  EXPECT_FALSE(vault.seal("notes", event_of(kData), UtcMillis(1)).value());
  EXPECT_FALSE(vault.seal("orders", event_of(R"({"user_id":"7"})"), UtcMillis(1)).value());
  EXPECT_FALSE(vault.open(event_of(kData)).value());
  EXPECT_FALSE(vault.open("\xff").value());
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(Vault, AfterErasureOneSubjectsDataIsNullAndOthersStay) {
  KeyVault vault(path_);
  vault.set_policies({{"orders", fields()}});
  const std::string ann = seal(vault, kData);
  const std::string bob = seal(vault, R"({"user_id":"8","email":"bob"})");
  EXPECT_TRUE(vault.known("7").value().has_key);
  EXPECT_EQ(vault.erase("7", UtcMillis(5)).value(), 1);
  EXPECT_EQ(vault.erase("7", UtcMillis(6)).value(), 0);
  EXPECT_EQ(data_of(vault.open(ann).value().value()), R"({"user_id":"7","email":null,"total":1.10})");
  EXPECT_EQ(data_of(vault.open(bob).value().value()), R"({"user_id":"8","email":"bob"})");
  EXPECT_FALSE(vault.known("7").value().has_key);
  EXPECT_EQ(vault.known("7").value().erased, UtcMillis(5));
  EXPECT_EQ(vault.counters().erased, 1U);
  // Who comes back gets another key, and what was erased stays so.
  const std::string again = seal(vault, kData);
  EXPECT_EQ(data_of(vault.open(again).value().value()), kData);
  EXPECT_EQ(data_of(vault.open(ann).value().value()), R"({"user_id":"7","email":null,"total":1.10})");
}

TEST_F(Vault, TheKeyIsInNoFileAfterwards) {
  KeyVault vault(path_);
  vault.set_policies({{"orders", fields()}});
  (void)seal(vault, kData);
  (void)seal(vault, R"({"user_id":"8","email":"bob"})");
  std::string key;
  {
    auto db = sqlite::Connection::open(path_, sqlite::Connection::Mode::read_only, "").value();
    sqlite::Statement select = db->prepare("SELECT key FROM keys WHERE subject = '7'");
    sqlite::Rows rows = select.query();
    ASSERT_TRUE(rows.next());
    key = rows.bytes(0);
  }
  ASSERT_EQ(key.size(), 32U);
  EXPECT_TRUE(is_in(path_, key));
  ASSERT_TRUE(vault.erase("7", UtcMillis(5)));
  for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(path_).parent_path())) {
    EXPECT_FALSE(is_in(file.path().string(), key)) << file.path();
  }
}

TEST_F(Vault, WithoutItsFileFieldsAreNullAndThatIsCounted) {
  std::string kept;
  {
    KeyVault vault(path_);
    vault.set_policies({{"orders", fields()}});
    kept = seal(vault, kData);
  }
  std::filesystem::remove(path_);
  KeyVault vault(path_);
  EXPECT_EQ(data_of(vault.open(kept).value().value()), R"({"user_id":"7","email":null,"total":1.10})");
  EXPECT_EQ(vault.counters().missing, 1U);
  EXPECT_EQ(vault.counters().erased, 0U);
}

TEST_F(Vault, WhatWasChangedIsNotOpened) {
  KeyVault vault(path_);
  vault.set_policies({{"orders", fields()}});
  std::string kept = seal(vault, kData);
  kept.back() = static_cast<char>(kept.back() ^ 1);
  EXPECT_EQ(data_of(vault.open(kept).value().value()), R"({"user_id":"7","email":null,"total":1.10})");
  EXPECT_EQ(vault.counters().missing, 1U);
}

TEST_F(Vault, WhatIsNobodysIsKeptWithout) {
  KeyVault vault(path_);
  vault.set_policies({{"orders", fields()}});
  const std::string kept = seal(vault, R"({"email":"ann@secret.example"})");
  EXPECT_EQ(data_of(kept), R"({"email":null})");
  EXPECT_EQ(vault.counters().nobodys, 1U);
}

TEST_F(Vault, AnEventTooLongToBeKeptTwiceIsRefused) {
  KeyVault vault(path_);
  vault.set_policies({{"orders", fields()}});
  const std::string data =
      R"({"user_id":"7","email":"a","text":")" + std::string(kMaxBody * 2 / 3, 'x') + R"("})";
  EXPECT_EQ(vault.seal("orders", event_of(data), UtcMillis(1)).error().code, Errc::limit);
}

TEST_F(Vault, AFileThatIsNoneOfKeysIsRefused) {
  std::ofstream(path_) << "something else altogether, and long enough to be looked at";
  KeyVault vault(path_);
  vault.set_policies({{"orders", fields()}});
  EXPECT_FALSE(vault.seal("orders", event_of(kData), UtcMillis(1)));
  EXPECT_FALSE(vault.erase("7", UtcMillis(1)));
}

// In the store.

class SealedStore : public testing::Test {
 protected:
  std::unique_ptr<SqliteJournal> open(std::size_t tail_records = Tail::kMaxRecords) {
    auto journal =
        SqliteJournal::open({.path = path_, .vocabulary = test::vocabulary(), .tail_records = tail_records})
            .value();
    journal->set_personal({{"orders", fields()}});
    return journal;
  }
  static void publish(SqliteJournal& journal, std::string_view data) {
    Batch batch = at(journal);
    batch.appends.push_back(
        {RecordClass::topic, batch.create(), 0, {{.type = 1, .body = event_of(data), .category = "orders"}}});
    ASSERT_TRUE(append(journal, std::move(batch)));
  }
  static std::vector<std::string> read(SqliteJournal& journal) {
    std::vector<std::string> found;
    const auto page = test::read(journal, of_category(RecordClass::topic, "orders")).value();
    for (const RecordPtr& stored : page.records) {
      found.push_back(data_of(stored->record.body));
    }
    return found;
  }
  static Result<std::int64_t> erase(SqliteJournal& journal, std::string subject) {
    return answer<Result<std::int64_t>>(
        [&](auto done) { journal.erase_key(std::move(subject), std::move(done)); });
  }
  // That hold the text.
  std::vector<std::string> files_with(std::string_view text) {
    std::vector<std::string> found;
    for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(path_).parent_path())) {
      if (is_in(file.path().string(), text)) {
        found.push_back(file.path().filename().string());
      }
    }
    return found;
  }

  test::Directory directory_;
  const std::string path_ = directory_.file("journal.db");
};

TEST_F(SealedStore, NothingPersonalIsInAnyFileAndReadersGetIt) {
  for (const std::size_t tail : {Tail::kMaxRecords, std::size_t{0}}) {
    auto journal = open(tail);
    publish(*journal, kData);
    EXPECT_EQ(read(*journal).back(), kData);
    EXPECT_EQ(files_with(kSecret), std::vector<std::string>());
  }
  auto journal = open();
  EXPECT_EQ(read(*journal), std::vector<std::string>(2, std::string(kData)));
}

// Whatever it looks like, and whatever its category is.
TEST_F(SealedStore, WhatIsNoEventIsNotLookedInto) {
  auto journal = open(0);
  std::string body;
  BodyWriter(body).bytes(2, "x").number(3, 7).bytes(4, std::string(40, 'y'));
  for (const RecordClass record_class : {RecordClass::aggregate, RecordClass::queue}) {
    Batch batch = at(*journal);
    batch.appends.push_back(
        {record_class, batch.create(), 0, {{.type = 1, .body = body, .category = "orders"}}});
    ASSERT_TRUE(append(*journal, std::move(batch)));
    const auto page = test::read(*journal, of_category(record_class, "orders")).value();
    EXPECT_EQ(page.records.at(0)->record.body, body);
  }
}

TEST_F(SealedStore, ErasureReachesWhatIsInMemory) {
  auto journal = open();
  publish(*journal, kData);
  EXPECT_EQ(erase(*journal, "7").value(), 1);
  EXPECT_EQ(read(*journal).at(0), R"({"user_id":"7","email":null,"total":1.10})");
  publish(*journal, kData);
  EXPECT_EQ(read(*journal).at(1), kData);
}

// Copies hold no key: so erasure reaches those that were made before, too.
TEST_F(SealedStore, BackupsAndExportsHoldNoKeyAndComeBackWithKeysKeptApart) {
  auto journal = open();
  publish(*journal, kData);
  const std::string copy = directory_.file("copy.db");
  ASSERT_TRUE(backup_store(path_, copy));
  std::ofstream lines(directory_.file("lines.json"));
  ASSERT_TRUE(export_store(path_, test::vocabulary(), [&](std::string_view line) {
    lines << line;
    return Result<>();
  }));
  lines.close();
  EXPECT_EQ(files_with(kSecret), std::vector<std::string>());
  const auto restored = [&] {
    auto other = SqliteJournal::open({.path = copy, .vocabulary = test::vocabulary()}).value();
    return read(*other).at(0);
  };
  EXPECT_EQ(restored(), R"({"user_id":"7","email":null,"total":1.10})");
  std::filesystem::copy(path_ + ".keys", copy + ".keys");
  EXPECT_EQ(restored(), kData);
  EXPECT_TRUE(verify_store(copy, test::vocabulary()).value().problems.empty());
}

// Rows that were made of personal data are plain: they are deleted, and then they are in no file.
TEST_F(SealedStore, WhatIsDeletedIsInNoFileOnceItIsScrubbed) {
  auto journal = open();
  Batch batch = at(*journal);
  for (int row = 0; row < 40; ++row) {
    batch.rows.push_back({.table = 1,
                          .name = {.key = "7", .row = std::to_string(row)},
                          .value = std::string(kSecret) + std::string(300, 'x')});
  }
  ASSERT_TRUE(append(*journal, std::move(batch)));
  EXPECT_FALSE(files_with(kSecret).empty());
  EXPECT_EQ(
      answer<Result<std::int64_t>>([&](auto done) { journal->forget_rows(1, std::move(done)); }).value(), 40);
  EXPECT_FALSE(files_with(kSecret).empty());  // in the log
  std::int64_t cut = 0;
  while (cut == 0) {
    cut = answer<Result<std::int64_t>>([&](auto done) { journal->scrub(std::move(done)); }).value();
  }
  EXPECT_EQ(files_with(kSecret), std::vector<std::string>());
  publish(*journal, kData);  // the log goes on
  EXPECT_EQ(read(*journal).size(), 1U);
}

// A key that cannot be written keeps the event from being published; others go on.
TEST_F(SealedStore, WithoutAPlaceForKeysNothingPersonalIsTaken) {
  std::filesystem::create_directory(path_ + ".keys");
  auto journal = open();
  Batch batch = at(*journal);
  batch.appends.push_back(
      {RecordClass::topic, batch.create(), 0, {{.type = 1, .body = event_of(kData), .category = "orders"}}});
  const auto refused = append(*journal, std::move(batch));
  ASSERT_FALSE(refused);
  const auto* const unavailable = std::get_if<StoreUnavailable>(&refused.error());
  ASSERT_NE(unavailable, nullptr);
  EXPECT_EQ(unavailable->effect, Effect::none);
  publish(*journal, R"({"user_id":"7"})");
  EXPECT_EQ(read(*journal).size(), 1U);
}

}  // namespace
}  // namespace flotilla::journal
