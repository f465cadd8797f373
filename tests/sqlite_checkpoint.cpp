#include <headgate/sqlite/checkpoint.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/files.hpp"
#include "support/interpose.hpp"

#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using headgate::sqlite::checkpoint;
using headgate::sqlite::checkpoint_error;
using headgate::sqlite::checkpoint_error_code;
using headgate::sqlite::checkpoint_options;
using headgate::sqlite::detail::history;
using headgate::sqlite::detail::moment;
using std::chrono::nanoseconds;

namespace {

int syncs = 0; // how often the disk was waited for

/// A machine whose clocks the test sets.
struct machine {
    moment now{1, 1h, 50 * 365 * 24h};

    checkpoint_options options()
    {
        return checkpoint_options{}.clock([this] { return now; });
    }
    void pass(nanoseconds time)
    {
        now.since_boot += time;
        now.wall += time;
    }
    void reboot(nanoseconds down, nanoseconds up)
    {
        ++now.boot;
        now.wall += down + up;
        now.since_boot = up;
    }
};

std::size_t sum(const headgate::checkpoint::state& state)
{
    std::size_t result = 0;
    for (const auto& each : state.tokens)
        result += each.tokens;
    return result;
}

std::int64_t asked(const std::string& file, const char* sql)
{
    using namespace headgate::sqlite::detail;
    const database looked_at{file, uri_of(file, "mode=ro"), SQLITE_OPEN_READONLY};
    std::int64_t result = 0;
    statement{looked_at, sql, "cannot be read"}.each([&](row at) {
        result = at.integer(0);
        return true;
    });
    return result;
}

} // namespace

extern "C" int fdatasync(int file)
{
    ++syncs;
    return support::original<int(int)>("fdatasync")(file);
}

extern "C" int fsync(int file)
{
    ++syncs;
    return support::original<int(int)>("fsync")(file);
}

TEST_CASE("within one boot its clock tells how long ago something was")
{
    const moment then{7, 100s, 5000s};
    CHECK(ago(then, moment{7, 130s, 5030s}) == 30s);
    CHECK(ago(then, moment{7, 130s, 9999s}) == 30s);
    CHECK(ago(then, moment{7, 130s, 1s}) == 30s);
    CHECK(ago(then, moment{7, 99s, 5030s}) == 0s);
}

TEST_CASE("after a boot the wall clock tells it, but no less than the machine is up")
{
    const moment then{7, 100s, 5000s};
    CHECK(ago(then, moment{8, 20s, 5060s}) == 60s);
    CHECK(ago(then, moment{8, 20s, 5010s}) == 20s);
    CHECK(ago(then, moment{8, 20s, 1000s}) == 20s); // it went back
    // Without a boot to go by there is only the wall clock.
    CHECK(ago(moment{0, 0s, 5000s}, moment{0, 0s, 5060s}) == 60s);
    CHECK(ago(moment{0, 0s, 5000s}, moment{0, 0s, 4000s}) == 0s);
}

TEST_CASE("what is left of a pause is never more than the pause")
{
    const moment begin{7, 100s, 5000s};
    CHECK(left(begin, 60s, moment{7, 110s, 5010s}) == 50s);
    CHECK(left(begin, 60s, moment{7, 200s, 5100s}) == 0s);
    CHECK(left(begin, 60s, moment{8, 5s, 5010s}) == 50s);
    CHECK(left(begin, 60s, moment{8, 5s, 1000s}) == 55s);
}

TEST_CASE("a history is not known beyond what was removed, nor beyond the start of the machine")
{
    history known{{7, 100s, 5000s}, {}};
    CHECK(known.unknown_until(moment{7, 1000s, 5900s}, 60s) == std::nullopt);
    CHECK(known.unknown_until(moment{8, 20s, 5900s}, 60s) == nanoseconds{20s});
    CHECK(known.unknown_until(moment{8, 90s, 5900s}, 60s) == nanoseconds{60s});
    known.forgotten = moment{7, 900s, 5800s};
    CHECK(known.unknown_until(moment{7, 1000s, 5900s}, 60s) == nanoseconds{60s});
    CHECK(known.unknown_until(moment{7, 1000s, 5900s}, 200s) == nanoseconds{100s});
    CHECK(known.unknown_until(moment{8, 20s, 5900s}, 200s) == nanoseconds{20s});
}

TEST_CASE("a new checkpoint has nothing")
{
    const support::temporary_directory directory;
    checkpoint kept{directory / "kept", "a job"};
    CHECK(kept.is_new());
    CHECK(kept.note().empty());
    const auto state = kept.load(60s);
    CHECK(state.progress.empty());
    CHECK(state.keys.empty());
    CHECK(state.tokens.empty());
    CHECK_FALSE(state.unknown_until);
    CHECK(state.pause == 0s);
    CHECK_THROWS_AS(kept.load(60s), std::logic_error);
    CHECK(std::filesystem::status(directory / "kept").permissions() ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
}

TEST_CASE("what was kept is there when the file is opened again")
{
    const support::temporary_directory directory;
    const std::string file = directory / "a name with 100% of #odd? characters";
    const std::string bytes{"\0\xff\n'\"", 5};
    machine at;
    {
        checkpoint kept{file, "job " + bytes, at.options()};
        kept.load(60s);
        kept.on_save([n = 0]() mutable { return "note " + std::to_string(++n); });
        kept.save("one", {"a", bytes});
        kept.spend(3);
        at.pass(10s);
        kept.spend(4);
        kept.pause(30s);
        kept.save("two" + bytes, {});
        kept.save("", {"", "a"});
        kept.spend(0);
        at.pass(5s);
    }
    CHECK(directory.files().size() == 1);
    for (int life = 0; life < 2; ++life) {
        checkpoint kept{file, "job " + bytes, at.options()};
        CHECK_FALSE(kept.is_new());
        CHECK(kept.note() == "note 3");
        const auto state = kept.load(60s);
        CHECK(state.progress.empty());
        CHECK(state.keys == std::vector<std::string>{"a", bytes, "", "a"});
        REQUIRE(state.tokens.size() == 2);
        CHECK(state.tokens[0].ago == 15s);
        CHECK(state.tokens[0].tokens == 3);
        CHECK(state.tokens[1].ago == 5s);
        CHECK(state.tokens[1].tokens == 4);
        CHECK_FALSE(state.unknown_until);
        CHECK(state.pause == 25s);
    }
    {
        checkpoint kept{file, "job " + bytes, at.options()};
        kept.load(60s);
        kept.save("three" + bytes, {"b"});
    }
    checkpoint kept{file, "job " + bytes, at.options()};
    CHECK(kept.note() == "note 3"); // nobody has said another
    const auto state = kept.load(60s);
    CHECK(state.progress == "three" + bytes);
    CHECK(state.keys == std::vector<std::string>{"a", bytes, "", "a", "b"});
}

TEST_CASE("of several pauses the one that ends last counts")
{
    const support::temporary_directory directory;
    machine at;
    {
        checkpoint kept{directory / "kept", "a job", at.options()};
        kept.load(60s);
        kept.pause(60s);
        at.pass(20s);
        kept.pause(30s);
        kept.pause(-1s);
    }
    at.pass(10s);
    {
        checkpoint kept{directory / "kept", "a job", at.options()};
        CHECK(kept.load(60s).pause == 30s);
        kept.pause(31s);
    }
    checkpoint kept{directory / "kept", "a job", at.options()};
    CHECK(kept.load(60s).pause == 31s);
}

TEST_CASE("after a restart of the machine what may be lost is told")
{
    const support::temporary_directory directory;
    machine at;
    {
        checkpoint kept{directory / "kept", "a job", at.options()};
        kept.load(60s);
        kept.spend(5);
        kept.pause(100s);
    }
    at.reboot(5s, 20s);
    {
        checkpoint kept{directory / "kept", "a job", at.options()};
        const auto state = kept.load(60s);
        REQUIRE(state.tokens.size() == 1);
        CHECK(state.tokens[0].ago == 25s);
        CHECK(state.unknown_until == nanoseconds{20s});
        CHECK(state.pause == 75s);
        kept.spend(1);
    }
    at.pass(10s);
    at.now.wall -= 1000h;
    {
        checkpoint kept{directory / "kept", "a job", at.options()};
        const auto state = kept.load(60s);
        REQUIRE(state.tokens.size() == 2);
        CHECK(state.tokens[0].ago == 30s);
        CHECK(state.tokens[1].ago == 10s);
        CHECK(state.unknown_until == nanoseconds{30s});
        CHECK(state.pause == 70s);
    }
    at.pass(40s);
    checkpoint kept{directory / "kept", "a job", at.options()};
    const auto state = kept.load(60s);
    CHECK(state.tokens.size() == 1);
    CHECK(state.unknown_until == nanoseconds{60s});
}

TEST_CASE("what is too old to matter is removed while it runs")
{
    const support::temporary_directory directory;
    const std::string file = directory / "kept";
    machine at;
    constexpr int times = 5000;
    {
        checkpoint kept{file, "a job", at.options()};
        kept.load(60s);
        for (int i = 0; i < times; ++i) {
            kept.spend(2);
            at.pass(1s);
        }
    }
    CHECK(asked(file, "SELECT count(*) FROM spent") < 400);
    {
        checkpoint kept{file, "a job", at.options()};
        const auto state = kept.load(100s);
        CHECK(sum(state) == 2 * 100);
        CHECK(state.tokens.front().ago == 100s);
        CHECK(state.unknown_until == nanoseconds{100s});
    }
    CHECK(asked(file, "SELECT count(*) FROM spent") == 100);
    checkpoint kept{file, "a job", at.options()};
    const auto state = kept.load(1000s);
    CHECK(sum(state) == 2 * 100);
    CHECK(state.unknown_until == nanoseconds{101s});
}

TEST_CASE("the oldest keys go when there are too many")
{
    const support::temporary_directory directory;
    const std::string file = directory / "kept";
    {
        checkpoint kept{file, "a job"};
        kept.load(60s);
        kept.save("one", {"aaaa", "bbbb", "cccc"});
        kept.save("two", {"dddd"});
    }
    {
        // Not before it is loaded: who only looks changes nothing.
        const std::string before = support::read_file(file);
        checkpoint{file, "a job", checkpoint_options{}.key_bytes(9)};
        CHECK(support::read_file(file) == before);
    }
    for (int life = 0; life < 2; ++life) {
        checkpoint kept{file, "a job", checkpoint_options{}.key_bytes(9)};
        const auto state = kept.load(60s);
        CHECK(state.progress == "two");
        CHECK(state.keys == std::vector<std::string>{"cccc", "dddd"});
    }
    CHECK(asked(file, "SELECT count(*) FROM keys") == 2);
    {
        checkpoint kept{file, "a job", checkpoint_options{}.key_bytes(0)};
        CHECK(kept.load(60s).keys.empty());
        kept.save("three", {"eeee"});
    }
    checkpoint kept{file, "a job"};
    CHECK(kept.load(60s).keys == std::vector<std::string>{"eeee"});
}

TEST_CASE("nothing is saved if the program cannot say its note")
{
    const support::temporary_directory directory;
    {
        checkpoint kept{directory / "kept", "a job"};
        kept.load(60s);
        kept.on_save([] { return std::string{"first"}; });
        kept.save("one", {"a"});
        kept.on_save([]() -> std::string { throw std::runtime_error{"the output is gone"}; });
        CHECK_THROWS_WITH(kept.save("two", {"b"}), "the output is gone");
    }
    checkpoint kept{directory / "kept", "a job"};
    CHECK(kept.note() == "first");
    const auto state = kept.load(60s);
    CHECK(state.progress == "one");
    CHECK(state.keys == std::vector<std::string>{"a"});
}

TEST_CASE("only what is saved waits for the disk")
{
    const support::temporary_directory directory;
    machine at;
    checkpoint kept{directory / "kept", "a job", at.options()};
    kept.load(60s);
    kept.save("zero", {});
    syncs = 0;
    for (int i = 0; i < 100; ++i)
        kept.spend(1);
    kept.pause(10s);
    CHECK(syncs == 0);
    kept.save("one", {});
    CHECK(syncs == 1);
    kept.spend(1);
    CHECK(syncs == 1);
}

TEST_CASE("where a boot is not known everything waits for the disk")
{
    const support::temporary_directory directory;
    machine at;
    at.now = {0, 0s, 50000h};
    {
        checkpoint kept{directory / "kept", "a job", at.options()};
        kept.load(60s);
        kept.spend(1);
        for (int i = 0; i < 3; ++i) {
            syncs = 0;
            kept.spend(1);
            CHECK(syncs == 1);
        }
    }
    at.now.wall += 7s;
    checkpoint kept{directory / "kept", "a job", at.options()};
    const auto state = kept.load(60s);
    REQUIRE(state.tokens.size() == 4);
    CHECK(state.tokens[0].ago == 7s);
    CHECK_FALSE(state.unknown_until);
}

TEST_CASE("the log does not grow without end")
{
    const support::temporary_directory directory;
    const std::string file = directory / "kept";
    checkpoint kept{file, "a job"};
    kept.load(1s);
    std::uintmax_t most = 0;
    for (int i = 0; i < 4000; ++i) {
        kept.spend(1);
        if (i % 4 == 0)
            kept.save("page " + std::to_string(i), {"key " + std::to_string(i)});
        most = std::max(most, std::filesystem::file_size(file + "-wal"));
    }
    CHECK(most < 6'000'000);
    kept.save("a large one", std::vector<std::string>(3000, std::string(4000, 'x')));
    for (int i = 0; i < 1500; ++i)
        kept.spend(1);
    CHECK(std::filesystem::file_size(file + "-wal") < 9'000'000);
}

TEST_CASE("whatever it was doing when it was killed, what it was told to have kept is there")
{
    const support::temporary_directory directory;
    const std::string file = directory / "kept";
    std::mt19937 random{20260726};
    std::int64_t saved = 0;
    std::int64_t spent = 0;
    for (int life = 0; life < 25; ++life) {
        support::child_process child{[&](const auto& tell) {
            std::int64_t next = saved;
            checkpoint kept{file, "a job"};
            kept.load(24h);
            kept.on_save([&next] { return "note " + std::to_string(next); });
            for (std::int64_t told = spent;;) {
                kept.spend(1);
                tell(-++told);
                kept.spend(1);
                tell(-++told);
                ++next;
                kept.save("page " + std::to_string(next),
                          {std::to_string(2 * next), std::to_string(2 * next + 1)});
                tell(next);
            }
        }};
        std::int64_t told = 0;
        const auto note = [&] { (told > 0 ? saved : spent) = std::abs(told); };
        for (unsigned i = 0, hear = std::uniform_int_distribution{1u, 150u}(random); i < hear;
             ++i) {
            REQUIRE(child.hear(told));
            note();
        }
        child.kill();
        while (child.hear(told))
            note();

        checkpoint kept{file, "a job"};
        REQUIRE_FALSE(kept.is_new());
        const auto state = kept.load(24h);
        const std::int64_t found = std::stoll(state.progress.substr(5));
        CHECK((found == saved || found == saved + 1));
        CHECK(kept.note() == "note " + std::to_string(found));
        CHECK(std::ssize(state.keys) == 2 * found);
        CHECK(state.keys.back() == std::to_string(2 * found + 1));
        const auto tokens = static_cast<std::int64_t>(sum(state));
        CHECK((tokens == spent || tokens == spent + 1));
        CHECK_FALSE(state.unknown_until);
        saved = found;
        spent = tokens;
    }
}

TEST_CASE("a checkpoint killed while it is made is not there or whole")
{
    const support::temporary_directory directory;
    std::mt19937 random{4};
    for (int i = 0; i < 40; ++i) {
        const std::string file = directory / "kept";
        {
            support::child_process child{[&](const auto& tell) {
                tell(1);
                checkpoint kept{file, "a job"};
                tell(2);
                ::pause();
            }};
            std::int64_t told = 0;
            REQUIRE(child.hear(told));
            const timespec moment{0, std::uniform_int_distribution{0, 3'000'000}(random)};
            ::nanosleep(&moment, nullptr);
            child.kill();
        }
        checkpoint kept{file, "a job"};
        kept.load(60s);
        kept.save("one", {});
        std::filesystem::remove(file);
    }
}

TEST_CASE("the log of a checkpoint that was removed is not taken for that of the new one")
{
    const support::temporary_directory directory;
    const std::string file = directory / "kept";
    support::child_process child{[&](const auto& tell) {
        checkpoint kept{file, "an old job"};
        kept.load(60s);
        kept.save("the old progress", {"a"});
        tell(1);
        ::pause();
    }};
    std::int64_t told = 0;
    REQUIRE(child.hear(told));
    child.kill();
    REQUIRE(std::filesystem::file_size(file + "-wal") > 0);
    std::filesystem::remove(file);
    checkpoint kept{file, "a new job"};
    CHECK(kept.is_new());
    CHECK(kept.load(60s).progress.empty());
}

TEST_CASE("on a full disk nothing is half kept, and it goes on when there is room")
{
    const support::temporary_directory directory;
    const std::string file = directory / "kept";
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const auto set = [&before](rlim_t bytes) {
        rlimit limit = before;
        limit.rlim_cur = bytes;
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    };
    auto* handler = std::signal(SIGXFSZ, SIG_IGN);
    {
        checkpoint kept{file, "a job"};
        kept.load(60s);
        kept.on_save([n = 0]() mutable { return std::to_string(++n); });
        kept.save("one", {"a"});
        kept.spend(1);
        set(std::filesystem::file_size(file + "-wal") + 5000);
        try {
            kept.save("two", std::vector<std::string>(20, std::string(4000, 'x')));
            FAIL("it is saved");
        } catch (const checkpoint_error& e) {
            set(before.rlim_cur);
            CHECK(e.code() == checkpoint_error_code::io);
            CHECK_THAT(e.what(), Catch::Contains(file));
            CHECK_THAT(e.what(), Catch::Contains("cannot be written: "));
            CHECK_THAT(e.what(), Catch::Contains("File too large"));
        }
        set(std::filesystem::file_size(file + "-wal"));
        int failed = 0;
        try {
            for (int i = 0; i < 100; ++i)
                kept.spend(1000);
        } catch (const checkpoint_error&) {
            ++failed;
        }
        set(before.rlim_cur);
        CHECK(failed == 1);
        kept.save("three", {"c"});
    }
    {
        checkpoint kept{file, "a job"};
        CHECK(kept.note() == "3");
        const auto state = kept.load(60s);
        CHECK(state.progress == "three");
        CHECK(state.keys == std::vector<std::string>{"a", "c"});
        CHECK(sum(state) % 1000 == 1);
    }
    set(3000);
    std::string said;
    try {
        checkpoint kept{directory / "another", "a job"};
    } catch (const checkpoint_error& e) {
        said = e.what();
    }
    set(before.rlim_cur);
    std::signal(SIGXFSZ, handler);
    CHECK_THAT(said, Catch::Contains("another: cannot be made: "));
    CHECK(directory.files().size() == 1);
}
