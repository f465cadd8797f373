#include <headgate/sqlite/checkpoint.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/files.hpp"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using headgate::sqlite::checkpoint;
using headgate::sqlite::checkpoint_error;
using headgate::sqlite::checkpoint_error_code;
using enum headgate::sqlite::checkpoint_error_code;

namespace {

/// What opening a checkpoint says; nothing if it opens. It may not change what it refuses.
std::optional<checkpoint_error> refusal(const support::temporary_directory& directory,
                                        const std::string& name, const std::string& job = "a job")
{
    const auto before = directory.files();
    try {
        checkpoint kept{directory / name, job};
        return std::nullopt;
    } catch (const checkpoint_error& e) {
        const bool same = directory.files() == before;
        CHECK(same);
        CHECK_THAT(e.what(), Catch::Contains(name));
        return e;
    }
}

void execute(const std::string& file, const std::string& sql)
{
    sqlite3* opened = nullptr;
    int result = sqlite3_open(file.c_str(), &opened);
    if (result == SQLITE_OK)
        result = sqlite3_exec(opened, sql.c_str(), nullptr, nullptr, nullptr);
    const std::string said = sqlite3_errmsg(opened);
    sqlite3_close(opened);
    if (result != SQLITE_OK)
        throw std::runtime_error{said};
}

/// All that can be seen of a checkpoint.
struct seen {
    std::string progress;
    std::string note;
    std::vector<std::string> keys;
    std::vector<std::size_t> tokens;
    bool operator==(const seen&) const = default;
};

seen look(const std::string& file)
{
    checkpoint kept{file, "a job"};
    auto state = kept.load(24h);
    seen result{state.progress, kept.note(), state.keys, {}};
    for (const auto& each : state.tokens)
        result.tokens.push_back(each.tokens);
    return result;
}

void fill(checkpoint& kept, int saves)
{
    kept.load(24h);
    int i = 0;
    kept.on_save([&i] { return "note " + std::to_string(i); });
    for (; i < saves; ++i) {
        for (std::size_t n = 1; n < 4; ++n)
            kept.spend(n);
        kept.pause(std::chrono::hours{i + 1});
        kept.save("page " + std::to_string(i), {"key " + std::to_string(i), "x"});
    }
    kept.on_save({});
}

/// A checkpoint of a process that was killed: a file and its log.
void leave(const std::string& file, int saves)
{
    support::child_process child{[&](const auto& tell) {
        checkpoint kept{file, "a job"};
        fill(kept, saves);
        tell(1);
        ::pause();
    }};
    std::int64_t told = 0;
    REQUIRE(child.hear(told));
    child.kill();
    REQUIRE(std::filesystem::file_size(file + "-wal") > 0);
}

/// Opens a damaged copy: it has to be refused or make no difference. Returns whether it is refused.
bool notices(const std::map<std::string, std::string>& damaged, const seen& whole)
{
    const support::temporary_directory directory;
    for (const auto& [name, bytes] : damaged)
        support::write_file(directory / name, bytes);
    if (refusal(directory, "kept"))
        return true;
    const bool same = look(directory / "kept") == whole;
    CHECK(same);
    return false;
}

} // namespace

TEST_CASE("a file of another program is refused")
{
    const support::temporary_directory directory;
    support::write_file(directory / "text", "SQLite format 3 is what this is not about\n");
    support::write_file(directory / "empty", "");
    std::filesystem::create_directory(directory / "directory");
    execute(directory / "database", "CREATE TABLE t(x); PRAGMA user_version=1");
    execute(directory / "named", "PRAGMA application_id=1196444487; CREATE TABLE t(x)");
    REQUIRE(::mkfifo((directory / "pipe").c_str(), 0600) == 0);

    for (const std::string name : {"text", "empty", "directory", "database", "named", "pipe"}) {
        INFO(name);
        const auto refused = refusal(directory, name);
        REQUIRE(refused);
        CHECK(refused->code() == not_a_checkpoint);
    }
    CHECK_THAT(refusal(directory, "empty")->what(), Catch::Contains("is empty"));
    CHECK_THAT(refusal(directory, "named")->what(), Catch::Contains("another program"));
}

TEST_CASE("what another program has left half done is not finished for it")
{
    const support::temporary_directory directory;
    for (const std::string mode : {"WAL", "DELETE"}) {
        const std::string name = "of mode " + mode;
        support::child_process child{[&](const auto& tell) {
            sqlite3* opened = nullptr;
            sqlite3_open((directory / name).c_str(), &opened);
            const std::string sql = "PRAGMA journal_mode=" + mode +
                                    "; PRAGMA cache_size=1; CREATE TABLE t(x); "
                                    "INSERT INTO t VALUES (zeroblob(100000)); BEGIN; "
                                    "UPDATE t SET x = zeroblob(200000)";
            tell(sqlite3_exec(opened, sql.c_str(), nullptr, nullptr, nullptr));
            ::pause();
        }};
        std::int64_t result = 0;
        REQUIRE(child.hear(result));
        REQUIRE(result == SQLITE_OK);
        child.kill();
        REQUIRE(directory.files().count(name + (mode == "WAL" ? "-wal" : "-journal")) == 1);
        const auto refused = refusal(directory, name);
        REQUIRE(refused);
        CHECK(refused->code() == not_a_checkpoint);
    }
}

TEST_CASE("a checkpoint of another job is refused, and whose it is said")
{
    const support::temporary_directory directory;
    {
        checkpoint kept{directory / "closed", "a job"};
    }
    leave(directory / "killed", 3);
    for (const std::string name : {"closed", "killed"}) {
        const auto refused = refusal(directory, name, "another\njob");
        REQUIRE(refused);
        CHECK(refused->code() == other_job);
        CHECK_THAT(refused->what(), Catch::Contains("of a job, not of another?job"));
        CHECK_FALSE(refusal(directory, name));
    }
}

TEST_CASE("a checkpoint with another layout is refused")
{
    const support::temporary_directory directory;
    {
        checkpoint kept{directory / "kept", "a job"};
    }
    execute(directory / "kept", "PRAGMA user_version=2");
    const auto refused = refusal(directory, "kept");
    REQUIRE(refused);
    CHECK(refused->code() == other_version);
    CHECK_THAT(refused->what(), Catch::Contains("version 2"));
    CHECK_THAT(refused->what(), Catch::Contains("only 1"));
}

TEST_CASE("a row that was changed, lost or added is noticed")
{
    const support::temporary_directory directory;
    {
        checkpoint kept{directory / "whole", "a job"};
        fill(kept, 5);
    }
    for (const std::string sql :
         {"UPDATE saved SET progress = 'page 3'", "UPDATE saved SET note = ''", "DELETE FROM saved",
          "DELETE FROM about", "DELETE FROM marks", "DELETE FROM keys",
          "UPDATE keys SET key = 'y' WHERE id = 2", "DELETE FROM keys WHERE id = 10",
          "DELETE FROM keys WHERE id = 1", "UPDATE spent SET amount = 0 WHERE id = 4",
          "DELETE FROM spent WHERE id = 4", "UPDATE marks SET amount = 0 WHERE id = 3",
          "UPDATE about SET job = 'a jab'", "CREATE TABLE more(x)", "DROP TABLE spent",
          "ALTER TABLE keys RENAME COLUMN key TO text"}) {
        INFO(sql);
        std::filesystem::copy_file(directory / "whole", directory / "changed",
                                   std::filesystem::copy_options::overwrite_existing);
        execute(directory / "changed", sql);
        const auto refused = refusal(directory, "changed");
        REQUIRE(refused);
        CHECK(refused->code() == damaged);
    }
}

TEST_CASE("a byte that was changed is noticed, or makes no difference")
{
    const support::temporary_directory directory;
    const std::string file = directory / "kept";
    {
        checkpoint kept{file, "a job"};
        fill(kept, 40);
    }
    const std::string bytes = support::read_file(file);
    const seen whole = look(file);
    int noticed = 0;
    int tried = 0;
    for (std::size_t at = 0; at < bytes.size(); at += at < 120 ? 1 : 101) {
        INFO("byte " << at);
        std::string changed = bytes;
        changed[at] = static_cast<char>(changed[at] ^ (at % 2 == 0 ? 0xff : 0x01));
        noticed += notices({{"kept", changed}}, whole);
        ++tried;
    }
    CHECK(noticed > tried / 4);
    CHECK(noticed < tried); // what is not used is not missed
}

TEST_CASE("a file that was cut is noticed, also where it has a log")
{
    const support::temporary_directory directory;
    const std::string file = directory / "kept";
    leave(file, 200);
    const std::string bytes = support::read_file(file);
    REQUIRE(bytes.size() > 8 * 4096); // the log was taken over into it once
    const std::string log = support::read_file(file + "-wal");
    {
        const support::temporary_directory copy;
        support::write_file(copy / "kept", bytes);
        support::write_file(copy / "kept-wal", log);
        const seen whole = look(copy / "kept");
        CHECK(whole.progress == "page 199");
        for (std::size_t size : {std::size_t{0}, std::size_t{50}, std::size_t{512},
                                 std::size_t{4096}, bytes.size() / 2, bytes.size() - 1}) {
            INFO("the first " << size << " bytes");
            notices({{"kept", bytes.substr(0, size)}, {"kept-wal", log}}, whole);
        }
    }
    const seen whole = look(file); // and the log is gone
    REQUIRE(directory.files().size() == 1);
    const std::string all = support::read_file(file);
    int noticed = 0;
    const std::vector<std::size_t> sizes{0,
                                         1,
                                         50,
                                         99,
                                         100,
                                         512,
                                         4095,
                                         4096,
                                         10000,
                                         all.size() / 2,
                                         all.size() - 4096,
                                         all.size() - 2000};
    for (std::size_t size : sizes) {
        INFO("the first " << size << " bytes");
        noticed += notices({{"kept", all.substr(0, size)}}, whole);
    }
    CHECK(noticed == std::ssize(sizes));
}

TEST_CASE("a log that was damaged gives what was saved before, whole")
{
    const support::temporary_directory directory;
    const std::string file = directory / "kept";
    leave(file, 20);
    const std::string bytes = support::read_file(file);
    const std::string log = support::read_file(file + "-wal");
    for (std::size_t at = 0; at < log.size(); at += at < 64 ? 7 : 20011) {
        INFO("byte " << at);
        std::string changed = log;
        changed[at] = static_cast<char>(changed[at] ^ 0x10);
        for (const std::string& its_log : {changed, log.substr(0, at)}) {
            const support::temporary_directory copy;
            support::write_file(copy / "kept", bytes);
            support::write_file(copy / "kept-wal", its_log);
            if (refusal(copy, "kept"))
                continue;
            const seen found = look(copy / "kept");
            if (found.progress.empty()) {
                CHECK(found.keys.empty());
                continue;
            }
            const auto page = std::stoul(found.progress.substr(5));
            CHECK(page < 20);
            CHECK(found.note == "note " + std::to_string(page));
            CHECK(found.keys.size() == 2 * (page + 1));
            CHECK(found.tokens.size() >= 3 * (page + 1));
        }
    }
}

TEST_CASE("a second one is refused while the first is there")
{
    const support::temporary_directory directory;
    const std::string file = directory / "kept";
    std::optional<checkpoint> first;
    first.emplace(file, "a job");
    first->load(60s);
    first->save("one", {});
    for (int i = 0; i < 2; ++i) { // that the first is refused does not let the second in
        const auto refused = refusal(directory, "kept");
        REQUIRE(refused);
        CHECK(refused->code() == in_use);
        support::child_process other{[&](const auto& tell) {
            const auto told = refusal(directory, "kept");
            tell(told ? static_cast<std::int64_t>(told->code()) : 0);
        }};
        std::int64_t told = 0;
        REQUIRE(other.hear(told));
        CHECK(told == static_cast<std::int64_t>(in_use));
        CHECK(other.wait() == 0);
    }
    first->save("two", {});
    first.reset();
    CHECK(look(file).progress == "two");
}

TEST_CASE("another process keeps it until it is killed")
{
    const support::temporary_directory directory;
    const std::string file = directory / "kept";
    for (int i = 0; i < 5; ++i) {
        support::child_process other{[&](const auto& tell) {
            checkpoint kept{file, "a job"};
            kept.load(60s);
            kept.save("of the other", {});
            tell(1);
            ::pause();
        }};
        std::int64_t told = 0;
        REQUIRE(other.hear(told));
        const auto refused = refusal(directory, "kept");
        REQUIRE(refused);
        CHECK(refused->code() == in_use);
        other.kill();
        checkpoint kept{file, "a job"};
        CHECK(kept.load(60s).progress == "of the other");
        kept.save("", {});
    }
}

TEST_CASE("of many who begin the same job in the same moment one gets it")
{
    const support::temporary_directory directory;
    const std::string file = directory / "kept";
    for (int i = 0; i < 5; ++i) {
        std::vector<std::unique_ptr<support::child_process>> all;
        for (int n = 0; n < 6; ++n)
            all.push_back(std::make_unique<support::child_process>([&](const auto& tell) {
                try {
                    checkpoint kept{file, "a job"};
                    tell(0);
                    ::pause();
                } catch (const checkpoint_error& e) {
                    tell(static_cast<std::int64_t>(e.code()));
                }
            }));
        int got = 0;
        for (const auto& each : all) {
            std::int64_t told = -1;
            REQUIRE(each->hear(told));
            got += told == 0;
            CHECK((told == 0 || told == static_cast<std::int64_t>(in_use)));
        }
        CHECK(got == 1);
        all.clear();
        std::filesystem::remove(file); // not its log
    }
}

TEST_CASE("a name that there cannot be is refused")
{
    const support::temporary_directory directory;
    CHECK_THROWS_AS((checkpoint{"", "a job"}), std::invalid_argument);
    CHECK_THROWS_AS((checkpoint{std::string{"a\0b", 3}, "a job"}), std::invalid_argument);
    support::write_file(directory / "file", "x");
    for (const std::string name : {"nowhere/kept", "file/kept"}) {
        const auto refused = refusal(directory, name);
        REQUIRE(refused);
        CHECK(refused->code() == io);
        CHECK_THAT(refused->what(), Catch::Contains("cannot be made: "));
    }
}

TEST_CASE("what may not be read or written is refused")
{
    const support::temporary_directory directory;
    std::filesystem::permissions(directory.path(), std::filesystem::perms{0755});
    std::filesystem::create_directory(directory / "closed");
    std::filesystem::create_directory(directory / "open");
    // As somebody whom permissions mean something to.
    support::child_process child{[&](const auto& tell) {
        const auto opens = [&](const std::string& file) {
            try {
                checkpoint kept{file, "a job"};
                return std::string{"it opens"};
            } catch (const checkpoint_error& e) {
                return e.code() == io ? std::string{e.what()} : "another code";
            }
        };
        const auto says = [&](const std::string& file, const std::string& what) {
            const std::string said = opens(file);
            const bool right = said.find(what) != std::string::npos;
            if (!right)
                std::cerr << said << '\n';
            tell(right);
        };
        if (::geteuid() == 0 && (::chown((directory / "closed").c_str(), 65534, 65534) != 0 ||
                                 ::chown((directory / "open").c_str(), 65534, 65534) != 0 ||
                                 ::setgid(65534) != 0 || ::setuid(65534) != 0))
            throw std::runtime_error{"it stays root"};
        for (const std::string name : {"closed", "open"})
            checkpoint{directory / (name + "/kept"), "a job"};

        ::chmod((directory / "closed").c_str(), 0500);
        says(directory / "closed/another", "another: cannot be made: Permission denied");
        says(directory / "closed/kept",
             "kept: cannot be written: attempt to write a readonly database, for no file");
        ::chmod((directory / "open/kept").c_str(), 0400);
        says(directory / "open/kept", "kept: cannot be written: it is read-only");
        ::chmod((directory / "open/kept").c_str(), 0000);
        says(directory / "open/kept", "kept: cannot be opened: unable to open database file");
        ::chmod((directory / "closed").c_str(), 0700);
        ::chmod((directory / "open/kept").c_str(), 0600);
        says(directory / "open/kept", "it opens");
    }};
    std::int64_t right = 0;
    int heard = 0;
    for (; child.hear(right); ++heard) {
        INFO(heard);
        CHECK(right == 1);
    }
    CHECK(heard == 5);
    CHECK(child.wait() == 0);
    for (const std::string name : {"closed", "open"}) {
        std::size_t files = 0;
        for ([[maybe_unused]] const auto& each :
             std::filesystem::directory_iterator{directory / name})
            ++files;
        CHECK(files == 1);
    }
}
