#include "flotilla/journal/key_vault.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "flotilla/journal/core/body.hpp"
#include "flotilla/journal/core/event.hpp"
#include "flotilla/journal/new_file.hpp"

namespace flotilla::journal {
namespace {

// Behind the fields of an event (core/event.cpp). On disk: never reused.
constexpr std::uint32_t kData = 2;
constexpr std::uint32_t kKeyId = 3;
constexpr std::uint32_t kSealed = 4;  // nonce, data, tag

constexpr std::size_t kNonce = 12;
constexpr std::size_t kTag = 16;
constexpr std::int64_t kApplicationId = 0x466c6b79;  // "Flky"

constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS keys(
  id INTEGER PRIMARY KEY,
  subject TEXT NOT NULL,
  key BLOB,
  made INTEGER NOT NULL,
  erased INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS keys_by_subject ON keys(subject);
)";

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

struct CipherEnd {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, CipherEnd>;

// The event without what is personal is bound to the rest. Nothing: the library refuses.
std::optional<std::string> encrypt(const unsigned char* key, std::string_view plain, std::string_view bound) {
  std::string out(kNonce + plain.size() + kTag, '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int length = 0;
  const bool done = cipher != nullptr && RAND_bytes(bytes_of(out), kNonce) == 1 &&
                    EVP_EncryptInit_ex2(cipher.get(), EVP_aes_256_gcm(), key, bytes_of(out), nullptr) == 1 &&
                    EVP_EncryptUpdate(cipher.get(), nullptr, &length, bytes_of(bound),
                                      static_cast<int>(bound.size())) == 1 &&
                    EVP_EncryptUpdate(cipher.get(), bytes_of(out) + kNonce, &length, bytes_of(plain),
                                      static_cast<int>(plain.size())) == 1 &&
                    EVP_EncryptFinal_ex(cipher.get(), bytes_of(out) + kNonce + plain.size(), &length) == 1 &&
                    EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTag,
                                        bytes_of(out) + kNonce + plain.size()) == 1;
  return done ? std::optional(std::move(out)) : std::nullopt;
}

// Nothing: it was sealed under another key, or changed.
std::optional<std::string> decrypt(const unsigned char* key, std::string_view sealed,
                                   std::string_view bound) {
  if (sealed.size() < kNonce + kTag) {
    return std::nullopt;
  }
  std::string tag(sealed.substr(sealed.size() - kTag));
  const std::string_view secret = sealed.substr(kNonce, sealed.size() - kNonce - kTag);
  std::string plain(secret.size(), '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int length = 0;
  const bool done =
      cipher != nullptr &&
      EVP_DecryptInit_ex2(cipher.get(), EVP_aes_256_gcm(), key, bytes_of(sealed), nullptr) == 1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &length, bytes_of(bound), static_cast<int>(bound.size())) ==
          1 &&
      EVP_DecryptUpdate(cipher.get(), bytes_of(plain), &length, bytes_of(secret),
                        static_cast<int>(secret.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTag, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), bytes_of(plain) + plain.size(), &length) == 1;
  return done ? std::optional(std::move(plain)) : std::nullopt;
}

}  // namespace

KeyVault::~KeyVault() { forget_remembered(); }

void KeyVault::set_policies(Policies policies) {
  const std::lock_guard lock(mutex_);
  seals_.store(!policies.empty(), std::memory_order_release);
  policies_ = std::make_shared<const Policies>(std::move(policies));
}

Result<std::optional<std::string>> KeyVault::seal(std::string_view category, std::string_view body,
                                                  UtcMillis now) {
  if (!seals_.load(std::memory_order_acquire)) {
    return std::nullopt;
  }
  const std::lock_guard lock(mutex_);
  const auto policy = policies_->find(category);
  if (policy == policies_->end()) {
    return std::nullopt;
  }
  auto event = decode_event(body);
  if (!event) {
    return std::unexpected(std::move(event.error()));
  }
  auto parted = part(policy->second, event->data);
  if (!parted) {
    return std::nullopt;
  }
  std::string plain = std::exchange(event->data, std::move(parted->rest));
  std::string kept = encode(*event);
  if (parted->subject.empty()) {
    ++counters_.nobodys;
    return kept;
  }
  auto named = key_of(parted->subject, now);
  if (!named) {
    return std::unexpected(std::move(named.error()));
  }
  const auto sealed = encrypt(named->key.data(), plain, kept);
  OPENSSL_cleanse(named->key.data(), named->key.size());
  if (!sealed) {
    return fail(Errc::unavailable, "what is personal in an event cannot be encrypted");
  }
  std::string fields;
  BodyWriter(fields).number(kKeyId, named->id).bytes(kSealed, *sealed);
  kept += fields;
  if (kept.size() > kMaxBody) {
    return fail(Errc::limit,
                fmt::format("an event of topic {} has personal fields, so its data is kept twice, "
                            "and {} bytes are more than {}",
                            category, kept.size(), kMaxBody));
  }
  ++counters_.sealed;
  return kept;
}

Result<> KeyVault::save() {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(unsaved_, false)) {
    return {};
  }
  if (!db_->execute("COMMIT")) {
    forget_remembered();
    return trouble();
  }
  return {};
}

Result<std::optional<std::string>> KeyVault::open(std::string_view body) {
  std::size_t end = 0;
  std::optional<std::uint64_t> id;
  std::string_view sealed;
  BodyReader reader(body);
  for (;;) {
    const auto field = reader.next();
    if (!field) {
      return std::nullopt;  // whoever decodes it says what is wrong
    }
    if (!*field) {
      break;
    }
    if ((*field)->tag == kKeyId && !(*field)->is_bytes) {
      id = (*field)->number;
    } else if ((*field)->tag == kSealed && (*field)->is_bytes) {
      sealed = (*field)->bytes;
    } else if ((*field)->tag <= kData && (*field)->is_bytes) {
      end = static_cast<std::size_t>((*field)->bytes.data() + (*field)->bytes.size() - body.data());
    }
  }
  if (!id || sealed.empty()) {
    return std::nullopt;
  }
  const std::string_view kept = body.substr(0, end);
  Key key{};
  Found found = Found::missing;
  {
    const std::lock_guard lock(mutex_);
    const auto looked = key_by_id(*id, key);
    if (!looked) {
      return std::unexpected(looked.error());
    }
    found = *looked;
  }
  if (found == Found::key) {
    auto plain = decrypt(key.data(), sealed, kept);
    OPENSSL_cleanse(key.data(), key.size());
    if (auto event = decode_event(kept); plain && event) {
      ++counters_.opened;
      event->data = *std::move(plain);
      return encode(*event);
    }
    found = Found::missing;
  }
  ++(found == Found::erased ? counters_.erased : counters_.missing);
  return std::string(kept);
}

Result<std::int64_t> KeyVault::erase(std::string_view subject, UtcMillis now) {
  if (auto saved = save(); !saved) {
    return std::unexpected(std::move(saved.error()));
  }
  const std::lock_guard lock(mutex_);
  forget_remembered();
  if (auto opened = open_file(false); !opened) {
    return std::unexpected(std::move(opened.error()));
  }
  if (db_ == nullptr) {
    return 0;
  }
  // The pages are written over with zeros where the key was (secure_delete).
  db_->prepare("UPDATE keys SET key = NULL, erased = ?2 WHERE subject = ?1 AND key IS NOT NULL")
      .run(subject, now.value());
  return db_->ok() ? Result<std::int64_t>(db_->changes()) : trouble();
}

Result<KeyVault::Known> KeyVault::known(std::string_view subject) {
  const std::lock_guard lock(mutex_);
  if (auto opened = open_file(false); !opened) {
    return std::unexpected(std::move(opened.error()));
  }
  Known known;
  if (db_ != nullptr) {
    sqlite::Statement select =
        db_->prepare("SELECT max(key IS NOT NULL), max(erased) FROM keys WHERE subject = ?1");
    sqlite::Rows rows = select.query(subject);
    if (rows.next()) {
      known = {.has_key = rows.integer(0) != 0, .erased = UtcMillis(rows.integer(1))};
    }
  }
  return db_ == nullptr || db_->ok() ? Result<Known>(known) : trouble();
}

std::unexpected<Error> KeyVault::trouble() {
  const sqlite::SqlError error = db_->take_error();
  if (std::exchange(unsaved_, false)) {
    forget_remembered();
  }
  db_->roll_back();
  return fail(Errc::unavailable, fmt::format("the keys of personal data in {}: {}", path_, error.message));
}

Result<> KeyVault::open_file(bool create) {
  std::error_code ignored;
  if (db_ != nullptr || (!create && !std::filesystem::exists(path_, ignored))) {
    return {};
  }
  create_private(path_);
  auto db = sqlite::Connection::open(path_, sqlite::Connection::Mode::create, "");
  if (!db) {
    return std::unexpected(std::move(db.error()));
  }
  db_ = std::move(*db);
  // Whole at every moment, and nothing of what was written over or deleted stays in the file.
  db_->execute(
      "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; PRAGMA secure_delete = ON; "
      "PRAGMA trusted_schema = OFF; PRAGMA busy_timeout = 2000");
  const std::int64_t application = db_->integer("PRAGMA application_id");
  if (db_->ok() && application != kApplicationId &&
      (application != 0 || db_->integer("SELECT count(*) FROM sqlite_schema") > 0)) {
    db_.reset();
    return fail(Errc::unsupported, fmt::format("{} is no file of keys", path_));
  }
  db_->execute(
      fmt::format("BEGIN IMMEDIATE; {} PRAGMA application_id = {}; COMMIT", kSchema, kApplicationId));
  if (!db_->ok()) {
    auto error = trouble();
    db_.reset();
    return error;
  }
  return {};
}

Result<KeyVault::NamedKey> KeyVault::key_of(const std::string& subject, UtcMillis now) {
  if (const auto known = by_subject_.find(subject); known != by_subject_.end()) {
    return known->second;
  }
  if (auto opened = open_file(true); !opened) {
    return std::unexpected(std::move(opened.error()));
  }
  NamedKey named;
  {
    sqlite::Statement select =
        db_->prepare("SELECT id, key FROM keys WHERE subject = ?1 AND key IS NOT NULL");
    sqlite::Rows rows = select.query(subject);
    if (rows.next() && rows.bytes(1).size() == named.key.size()) {
      named.id = static_cast<std::uint64_t>(rows.integer(0));
      std::ranges::copy(rows.bytes(1), named.key.begin());
    }
  }
  if (db_->ok() && named.id == 0) {
    // Ids are drawn: one of a key that was lost with its file must not come to mean another key.
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&named.id), sizeof named.id) != 1 ||
        RAND_bytes(named.key.data(), static_cast<int>(named.key.size())) != 1) {
      return fail(Errc::unavailable, "no key can be drawn for personal data");
    }
    named.id = named.id >> 1 | 1;
    const std::string_view key(reinterpret_cast<const char*>(named.key.data()), named.key.size());
    if (!std::exchange(unsaved_, true)) {
      db_->execute("BEGIN IMMEDIATE");
    }
    db_->prepare("INSERT INTO keys VALUES (?1, ?2, ?3, ?4, 0)")
        .run(named.id, subject, sqlite::Blob{key}, now.value());
  }
  if (!db_->ok()) {
    return trouble();
  }
  remember(subject, named);
  return named;
}

Result<KeyVault::Found> KeyVault::key_by_id(std::uint64_t id, Key& key) {
  if (const auto known = by_id_.find(id); known != by_id_.end()) {
    key = known->second;
    return Found::key;
  }
  if (auto opened = open_file(false); !opened) {
    return std::unexpected(std::move(opened.error()));
  }
  if (db_ == nullptr) {
    return Found::missing;
  }
  Found found = Found::missing;
  std::string subject;
  {
    sqlite::Statement select = db_->prepare("SELECT subject, key FROM keys WHERE id = ?1");
    sqlite::Rows rows = select.query(id);
    if (rows.next()) {
      found = Found::erased;
      if (!rows.is_null(1) && rows.bytes(1).size() == key.size()) {
        std::ranges::copy(rows.bytes(1), key.begin());
        subject = rows.bytes(0);
        found = Found::key;
      }
    }
  }
  if (!db_->ok()) {
    return trouble();
  }
  if (found == Found::key) {
    remember(subject, {.id = id, .key = key});
  }
  return found;
}

void KeyVault::remember(const std::string& subject, const NamedKey& named) {
  if (by_id_.size() >= kMaxRemembered) {
    forget_remembered();
  }
  by_subject_[subject] = named;
  by_id_[named.id] = named.key;
}

void KeyVault::forget_remembered() noexcept {
  for (auto& [subject, named] : by_subject_) {
    OPENSSL_cleanse(named.key.data(), named.key.size());
  }
  for (auto& [id, key] : by_id_) {
    OPENSSL_cleanse(key.data(), key.size());
  }
  by_subject_.clear();
  by_id_.clear();
}

}  // namespace flotilla::journal
