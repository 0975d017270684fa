// `flotilla journal` on an empty store; tests/e2e/journal_care.py has a full one that is in use.
#include "flotilla/app/cli_journal.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/app/cli_test_kit.hpp"
#include "flotilla/app/record_types.hpp"
#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/saga/runner.hpp"

namespace flotilla::app {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class JournalVerbs : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "flotilla_care_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    const auto store = journal::SqliteJournal::open(
        {.path = file("store.db"), .vocabulary = record_types(), .now = {}, .vfs = {}});
    ASSERT_TRUE(store.has_value()) << store.error().message;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string file(std::string_view name) const { return (folder_ / name).string(); }

  std::filesystem::path folder_;
};

TEST_F(JournalVerbs, TakeTheStoreByItsPath) {
  const std::string store = "sqlite:" + file("store.db");
  const Outcome whole = run({"journal", "verify", "--store", store});
  EXPECT_EQ(whole.code, 0) << whole.err;
  EXPECT_EQ(whole.out, file("store.db") + " is whole: position 0, 0 records in 0 streams, 0 forgotten\n");
  const Outcome copied = run({"journal", "backup", file("copy.db"), "--store", store});
  EXPECT_EQ(copied.code, 0) << copied.err;
  EXPECT_THAT(copied.out, StartsWith(file("copy.db") + " is a copy of " + file("store.db")));
  EXPECT_EQ(run({"journal", "verify", "--store", file("copy.db")}).code, 0);
}

TEST_F(JournalVerbs, TakeTheStoreThatAFileNames) {
  std::ofstream(file("f.yaml")) << "stores: { journal: \"sqlite:store.db\" }\n";
  const Outcome whole = run({"journal", "verify", "--file", file("f.yaml")});
  EXPECT_EQ(whole.code, 0) << whole.err;
  std::ofstream(file("none.yaml")) << "admin: { listen: 127.0.0.1:1 }\n";
  EXPECT_EQ(
      run({"journal", "verify", "--file", file("none.yaml")}).err,
      "flotilla: " + file("none.yaml") + " names neither sagas nor a store; name the store: --store PATH\n");
  std::ofstream(file("wrong.yaml")) << "stors: {}\n";
  const Outcome wrong = run({"journal", "verify", "--file", file("wrong.yaml")});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("wrong.yaml:1:1"));
}

TEST_F(JournalVerbs, ExportAndImport) {
  const std::string store = file("store.db");
  const Outcome printed = run({"journal", "export", "--store", store});
  EXPECT_EQ(printed.code, 0) << printed.err;
  EXPECT_THAT(printed.out, StartsWith("{\"journal\":"));
  EXPECT_THAT(printed.out, EndsWith("{\"end\":{\"lines\":1}}\n"));
  const Outcome written = run({"journal", "export", file("lines"), "--store", store});
  EXPECT_EQ(written.code, 0) << written.err;
  EXPECT_EQ(written.out, file("lines") + " holds 2 lines of " + store + "\n");
  const Outcome made = run({"journal", "import", file("lines"), "--store", file("new/made.db")});
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(run({"journal", "export", "--store", file("new/made.db")}).out, printed.out);
}

TEST_F(JournalVerbs, OverwriteNothing) {
  const std::string store = file("store.db");
  std::ofstream(file("there")) << "precious";
  std::ofstream(file("lines")) << run({"journal", "export", "--store", store}).out;
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"backup", file("there"), "--store", store},
        {"export", file("there"), "--store", store},
        {"import", file("lines"), "--store", file("there")}}) {
    std::vector<std::string> all{"journal"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Outcome outcome = run(all);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(file("there") + " exists already")) << outcome.err;
  }
  std::ofstream(file("gone.db-wal")) << "of another store";
  EXPECT_THAT(run({"journal", "backup", file("gone.db"), "--store", store}).err,
              HasSubstr("gone.db-wal is left of another store"));
}

TEST_F(JournalVerbs, SayWhatIsWrong) {
  EXPECT_EQ(run({"journal", "verify", "--store", file("none.db")}).err,
            "flotilla: there is no store at " + file("none.db") + "\n");
  EXPECT_EQ(run({"journal", "import", file("none"), "--store", file("new.db")}).err,
            "flotilla: cannot read " + file("none") + ": No such file or directory\n");
  std::ofstream(file("cut")) << run({"journal", "export", "--store", file("store.db")}).out.substr(0, 80);
  const Outcome cut = run({"journal", "import", file("cut"), "--store", file("new.db")});
  EXPECT_EQ(cut.code, 1);
  EXPECT_THAT(cut.err, StartsWith("flotilla: " + file("cut") + ": "));
  EXPECT_FALSE(std::filesystem::exists(file("new.db")));
  EXPECT_THAT(run({"journal", "verify", "--store", "postgres://host/db"}).err, HasSubstr("pg_dump"));
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"journal"},
                                                    {"journal", "backup"},
                                                    {"journal", "mend"},
                                                    {"journal", "verify", "--store", "a", "--file", "b"}}) {
    EXPECT_EQ(run(arguments).code, 2);
  }
}

}  // namespace
}  // namespace flotilla::app
