#ifndef HEADGATE_SQLITE_CHECKPOINT_HPP
#define HEADGATE_SQLITE_CHECKPOINT_HPP

#include <headgate/checkpoint.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/sqlite/checkpoint_error.hpp>
#include <headgate/sqlite/detail/boot_clock.hpp>
#include <headgate/sqlite/detail/checkpoint_file.hpp>
#include <headgate/sqlite/detail/database.hpp>
#include <headgate/sqlite/detail/layout.hpp>
#include <headgate/sqlite/detail/moment.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// Keeps what a run needs to go on in a file of SQLite.
namespace HEADGATE_NAMESPACE::sqlite {

/// How a `checkpoint` is kept. Setters return the object, to be chained.
class checkpoint_options {
public:
    /// The most memory for the texts of the keys that are read at the start; the oldest beyond it
    /// are removed from the file then. By default 256 MiB, four times what
    /// `extract_options::unique` remembers by default.
    checkpoint_options& key_bytes(std::size_t most) noexcept
    {
        key_bytes_ = most;
        return *this;
    }
    /// What is set, or the default.
    std::size_t key_bytes() const noexcept { return key_bytes_; }

    /// How the time is read; for tests. By default from the clocks of this machine.
    checkpoint_options& clock(std::function<detail::moment()> read)
    {
        clock_ = std::move(read);
        return *this;
    }
    /// What is set, or the default.
    const std::function<detail::moment()>& clock() const noexcept { return clock_; }

private:
    std::size_t key_bytes_ = std::size_t{256} << 20;
    std::function<detail::moment()> clock_ = detail::read_clocks;
};

/// Keeps in a file what a run needs to go on: `options.checkpoint(
/// std::make_shared<headgate::sqlite::checkpoint>("items.checkpoint", url))`.
///
/// The file is there and whole whatever happens to the process: each `save`, `spend` and `pause` is
/// a transaction. What was saved also outlives the loss of power. What was spent in the last
/// moments before that may be lost, which `state::unknown_until` says after the next start of the
/// machine. On systems that do not say when they were started, as Linux does, each transaction
/// waits for the disk instead.
///
/// While it is open it is this object's alone: whoever else opens it is refused at once, until this
/// one is destroyed or its process ends, however it does. Beside the file there is its log then,
/// `-wal`, which belongs to it and goes when the checkpoint is closed. The log grows to some
/// megabytes, no further. What a crash left there is a part of the file: move or remove both.
///
/// @par Errors
/// Member functions throw `checkpoint_error` if the file cannot be read or written, the disk being
/// full among others. Nothing of that call is kept then, all that was before is, and a later call
/// may succeed.
///
/// @par Thread safety
/// Member functions may be called from any thread, but not at the same time. A run sees to that for
/// its own calls.
///
/// @par Processes
/// A process that was forked off cannot use the object, nor may it destroy it.
class checkpoint final : public headgate::checkpoint {
    using nanoseconds = std::chrono::nanoseconds;

public:
    /// Opens the checkpoint of a job, or makes one, readable by its owner only. Its directory has
    /// to be there. A file that is refused is left as it was, byte for byte.
    ///
    /// All of it is checked and read: its structure by SQLite, each value by a digest beside it.
    /// That takes less than a second for a million keys.
    ///
    /// An empty file is refused: no checkpoint is ever empty, so it may be what is left of a
    /// damaged one. A log that ends somewhere in the middle, as the loss of power leaves it, is no
    /// damage: it counts up to there.
    ///
    /// @param file  its name; it is not taken for a URI, even if it looks like one
    /// @param job   any text that says which job it is, such as the URL and the way of paging. One
    ///              that is different is another job.
    /// @param options  how it is kept
    /// @throws checkpoint_error
    /// @throws std::invalid_argument if the name is empty or has a NUL in it
    explicit checkpoint(const std::string& file, const std::string& job,
                        const checkpoint_options& options = {})
        : options_{options},
          file_{checked(file), job, options.key_bytes(), options.clock()()},
          next_spent_{file_.found().spent.empty() ? 1 : file_.found().spent.back().id + 1},
          first_key_{file_.found().oldest_key},
          next_key_{file_.found().last_key() + 1},
          durable_only_{options.clock()().boot == 0}
    {
        if (!durable_only_)
            set_durable(false);
    }

    checkpoint(const checkpoint&) = delete;
    checkpoint& operator=(const checkpoint&) = delete;

    /// Closes the file. All of the log is in it then and the log is gone, unless that fails, as on
    /// a full disk: the next one to open it does that then.
    ~checkpoint() override = default;

    /// Whether there was no such file.
    bool is_new() const noexcept { return file_.is_new(); }

    /// What the program's own function gave when the last `save` before the file was opened was
    /// made; empty if none was.
    const std::string& note() const noexcept { return note_; }

    /// Sets a function of the program, called in each `save` before anything is written. What it
    /// returns is kept with what is saved, both or neither: such as how long the program's output
    /// was. An exception from it comes out of `save`, and nothing is saved. Without one the note
    /// stays as it is.
    checkpoint& on_save(std::function<std::string()> note)
    {
        on_save_ = std::move(note);
        return *this;
    }

    /// @copydoc headgate::checkpoint::load
    /// @throws std::logic_error if it was called before
    state load(nanoseconds lookback) override
    {
        if (lookback_)
            throw std::logic_error{"headgate::sqlite::checkpoint: load is called once"};
        const detail::moment now = options_.clock()();
        lookback_ = std::max(lookback, nanoseconds{0});
        detail::contents& found = file_.found();
        forget(now);
        found.known.forgotten = forgotten_ ? forgotten_ : found.known.forgotten;
        limit_keys(found);

        state result;
        result.progress = found.progress;
        result.keys.assign(std::make_move_iterator(found.keys.begin()),
                           std::make_move_iterator(found.keys.end()));
        found.keys.clear();
        auto answer = found.answers.begin();
        for (const detail::dated& each : found.spent) {
            while (answer != found.answers.end() && answer->id < each.id)
                ++answer;
            const nanoseconds age = detail::ago(each.at, now);
            if (age > *lookback_)
                continue;
            result.tokens.push_back({age, static_cast<std::size_t>(each.amount)});
            if (answer != found.answers.end() && answer->id == each.id)
                result.tokens.back().answered = detail::ago(answer->at, now);
        }
        std::sort(result.tokens.begin(), result.tokens.end(),
                  [](const auto& a, const auto& b) { return a.ago > b.ago; });
        result.unknown_until = found.known.unknown_until(now, *lookback_);
        result.pause = detail::left(found.pause_begin, found.pause, now);
        found.spent = {};
        found.answers = {};
        return result;
    }

    void save(const std::string& progress, const std::vector<std::string>& keys) override
    {
        std::string note = on_save_ ? on_save_() : file_.found().note;
        const durably during{*this};
        detail::transaction all{connection()};
        std::int64_t next = next_key_;
        for (const std::string& key : keys) {
            insert_key_.run(next, key, detail::digest_of_key(next, key));
            ++next;
        }
        write_saved(progress, note, first_key_, next - 1);
        all.commit();
        next_key_ = next;
        file_.found().progress = progress;
        file_.found().note = std::move(note);
    }

    std::uint64_t spend(std::size_t tokens) override
    {
        if (tokens == 0)
            return 0;
        constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
        const detail::moment now = options_.clock()();
        if (lookback_ && next_spent_ % spent_at_once == 0)
            forget(now);
        detail::write(insert_spent_, "spent",
                      {next_spent_, now,
                       tokens < std::size_t{most} ? static_cast<std::int64_t>(tokens) : most});
        return static_cast<std::uint64_t>(next_spent_++);
    }

    void answered(std::uint64_t spent) override
    {
        if (spent > 0)
            detail::write(insert_answer_, "answers",
                          {static_cast<std::int64_t>(spent), options_.clock()(), 0});
    }

    void pause(nanoseconds length) override
    {
        const detail::moment now = options_.clock()();
        detail::contents& found = file_.found();
        if (length <= detail::left(found.pause_begin, found.pause, now))
            return;
        write_mark(detail::mark::pause, now, length.count());
        found.pause_begin = now;
        found.pause = length;
    }

private:
    /// How many are spent before the old ones are looked for.
    static constexpr std::int64_t spent_at_once = 256;

    static const std::string& checked(const std::string& file)
    {
        if (file.empty() || file.find('\0') != std::string::npos)
            throw std::invalid_argument{
                "headgate::sqlite::checkpoint: the name of the file is empty or has a NUL in it"};
        return file;
    }

    detail::database& connection() { return file_.connection(); }

    /// Whether a transaction waits until it is on the disk. SQLite takes that between two only.
    void set_durable(bool on)
    {
        connection().execute(on ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                             "cannot be written");
    }

    /// Transactions in its lifetime wait until they are on the disk.
    class durably {
    public:
        explicit durably(checkpoint& of) : of_{of}
        {
            if (!of_.durable_only_)
                of_.set_durable(true);
        }
        durably(const durably&) = delete;
        durably& operator=(const durably&) = delete;
        ~durably()
        {
            if (!of_.durable_only_)
                sqlite3_exec(of_.connection().get(), "PRAGMA synchronous=NORMAL", nullptr, nullptr,
                             nullptr);
        }

    private:
        checkpoint& of_;
    };

    void write_saved(const std::string& progress, const std::string& note, std::int64_t first_key,
                     std::int64_t last_key)
    {
        update_saved_.run(progress, note, first_key, last_key,
                          detail::digest_of_saved(progress, note, first_key, last_key));
    }

    void write_mark(detail::mark which, const detail::moment& at, std::int64_t amount)
    {
        detail::write(replace_mark_, "marks", {static_cast<std::int64_t>(which), at, amount});
    }

    /// Removes the oldest of what was spent if it is too old to matter. Looks at no more rows than
    /// it removes and one.
    void forget(const detail::moment& now)
    {
        std::optional<detail::dated> last;
        oldest_spent_.each([&](detail::row at) {
            detail::dated one;
            one.id = at.integer(0);
            one.at.boot = at.integer(1);
            one.at.since_boot = nanoseconds{at.integer(2)};
            one.at.wall = nanoseconds{at.integer(3)};
            if (detail::ago(one.at, now) <= *lookback_)
                return false;
            last = one;
            return true;
        });
        if (!last)
            return;
        detail::transaction all{connection()};
        delete_spent_.run(last->id);
        delete_answers_.run(last->id);
        write_mark(detail::mark::forgotten, last->at, 0);
        all.commit();
        forgotten_ = last->at;
    }

    /// Removes the keys that were not read, the oldest.
    void limit_keys(const detail::contents& found)
    {
        if (first_key_ == found.first_key)
            return;
        detail::transaction all{connection()};
        delete_keys_.run(found.first_key);
        write_saved(found.progress, found.note, found.first_key, found.last_key());
        all.commit();
        first_key_ = found.first_key;
    }

    checkpoint_options options_;
    detail::checkpoint_file file_;
    std::string note_ = file_.found().note;
    std::function<std::string()> on_save_;
    std::optional<nanoseconds> lookback_; // once it is loaded
    std::optional<detail::moment> forgotten_;
    std::int64_t next_spent_;
    std::int64_t first_key_;
    std::int64_t next_key_;
    bool durable_only_;

    static constexpr const char* writing = "cannot be written";
    detail::statement insert_key_{connection(), "INSERT INTO keys VALUES (?, ?, ?)", writing};
    detail::statement delete_keys_{connection(), "DELETE FROM keys WHERE id < ?", writing};
    detail::statement update_saved_{connection(),
                                    "UPDATE saved SET progress = ?, note = ?, first_key = ?, "
                                    "last_key = ?, digest = ? WHERE id = 1",
                                    writing};
    detail::statement insert_spent_{connection(), "INSERT INTO spent VALUES (?, ?, ?, ?, ?, ?)",
                                    writing};
    detail::statement insert_answer_{
        connection(), "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", writing};
    detail::statement oldest_spent_{
        connection(), "SELECT id, boot, since_boot, wall FROM spent ORDER BY id", "cannot be read"};
    detail::statement delete_spent_{connection(), "DELETE FROM spent WHERE id <= ?", writing};
    detail::statement delete_answers_{connection(), "DELETE FROM answers WHERE id <= ?", writing};
    detail::statement replace_mark_{
        connection(), "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?, ?, ?)", writing};
};

} // namespace HEADGATE_NAMESPACE::sqlite

#endif
