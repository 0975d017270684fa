#include "flotilla/saga/archive_file.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <zlib.h>

namespace flotilla::saga {
namespace {

namespace fs = std::filesystem;

class ArchiveFileTest : public testing::Test {
 protected:
  ArchiveFileTest() {
    std::string name = (fs::temp_directory_path() / "flotilla_archive_XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  ~ArchiveFileTest() override { fs::remove_all(root_); }
  [[nodiscard]] std::string folder() const { return (root_ / "sub" / "archive").string(); }
  // As `zcat` gives it.
  static std::string content(const std::string& path) {
    const gzFile file = gzopen(path.c_str(), "rb");
    EXPECT_NE(file, nullptr);
    std::string all(1 << 20, '\0');
    const int size = gzread(file, all.data(), static_cast<unsigned>(all.size()));
    EXPECT_EQ(gzclose(file), Z_OK) << path;
    all.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return all;
  }

  fs::path root_;
};

TEST_F(ArchiveFileTest, HasAFileForEachDay) {
  ArchiveFile archive(folder());
  ASSERT_TRUE(archive.append("2026-11-24", "a\n").has_value());
  ASSERT_TRUE(archive.append("2026-11-24", "b\nc\n").has_value());
  ASSERT_TRUE(archive.append("2026-11-25", "d\n").has_value());
  EXPECT_EQ(content(archive.path_of("2026-11-24")), "a\nb\nc\n");
  EXPECT_EQ(content(archive.path_of("2026-11-25")), "d\n");
  const auto mode = fs::status(archive.path_of("2026-11-24")).permissions();
  EXPECT_EQ(mode & fs::perms::all, fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(ArchiveFileTest, ANewProcessGoesOnAndCutsOffWhatACrashLeft) {
  std::string path;
  {
    ArchiveFile archive(folder());
    ASSERT_TRUE(archive.append("2026-11-24", "a\n").has_value());
    path = archive.path_of("2026-11-24");
  }
  const auto whole = fs::file_size(path);
  {
    ArchiveFile archive(folder());
    ASSERT_TRUE(archive.append("2026-11-24", std::string(5000, 'x') + "\n").has_value());
  }
  for (auto size = fs::file_size(path) - 1; size > whole; --size) {  // wherever it was cut
    fs::resize_file(path, size);
    ArchiveFile archive(folder());
    ASSERT_TRUE(archive.append("2026-11-24", "b\n").has_value());
    EXPECT_EQ(content(path), "a\nb\n") << size;
    fs::resize_file(path, whole);
    ASSERT_TRUE(ArchiveFile(folder()).append("2026-11-24", std::string(5000, 'x') + "\n").has_value());
  }
}

TEST_F(ArchiveFileTest, WhatIsDamagedIsLeftAlone) {
  ArchiveFile archive(folder());
  fs::create_directories(folder());
  const std::string path = archive.path_of("2026-11-24");
  std::ofstream(path) << "no gzip at all";
  const auto refused = archive.append("2026-11-24", "a\n");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::invalid);
  EXPECT_NE(refused.error().message.find(path + " is damaged behind byte 0: move it away"),
            std::string::npos);
  EXPECT_EQ(fs::file_size(path), 14U);
}

TEST_F(ArchiveFileTest, AFileThatIsMovedAwayIsFollowedByANewOne) {
  ArchiveFile archive(folder());
  const std::string path = archive.path_of("2026-11-24");
  ASSERT_TRUE(archive.append("2026-11-24", "a\n").has_value());
  fs::rename(path, path + ".old");
  ASSERT_TRUE(archive.append("2026-11-24", "b\n").has_value());
  EXPECT_EQ(content(path + ".old"), "a\n");
  EXPECT_EQ(content(path), "b\n");
}

TEST_F(ArchiveFileTest, SaysWhyItCannotBeWritten) {
  std::ofstream(root_ / "file") << "x";
  ArchiveFile archive((root_ / "file").string());
  const auto refused = archive.append("2026-11-24", "a\n");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::io);
  EXPECT_NE(refused.error().message.find((root_ / "file").string()), std::string::npos);
}

}  // namespace
}  // namespace flotilla::saga
