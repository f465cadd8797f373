#ifndef HEADGATE_SQLITE_DETAIL_LAYOUT_HPP
#define HEADGATE_SQLITE_DETAIL_LAYOUT_HPP

#include <headgate/detail/config.hpp>
#include <headgate/sqlite/detail/database.hpp>
#include <headgate/sqlite/detail/digest.hpp>
#include <headgate/sqlite/detail/moment.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::sqlite::detail {

/// What a checkpoint's header says it is: "hdgt".
inline constexpr std::int64_t application_id = 0x68646774;

/// The version of what follows; another one is not read.
inline constexpr std::int64_t layout_version = 1;

/// The tables. Every row has a digest of its values.
///
/// - about: which job it is.
/// - saved: what was saved last, what the program keeps with it, and which keys there are.
/// - keys: the keys, in order, without a gap.
/// - spent: tokens and when they were spent, in order, without a gap; the oldest are removed.
/// - answers: when the answer came to what was spent under the same number; not for all of these.
/// - marks: times, of which each row is one of `mark`.
inline constexpr const char* tables[] = {
    "CREATE TABLE about(id INTEGER PRIMARY KEY, job TEXT NOT NULL, digest INTEGER NOT NULL)",
    "CREATE TABLE saved(id INTEGER PRIMARY KEY, progress TEXT NOT NULL, note TEXT NOT NULL, "
    "first_key INTEGER NOT NULL, last_key INTEGER NOT NULL, digest INTEGER NOT NULL)",
    "CREATE TABLE keys(id INTEGER PRIMARY KEY, key TEXT NOT NULL, digest INTEGER NOT NULL)",
    "CREATE TABLE spent(id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, since_boot INTEGER NOT "
    "NULL, wall INTEGER NOT NULL, amount INTEGER NOT NULL, digest INTEGER NOT NULL)",
    "CREATE TABLE answers(id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, since_boot INTEGER NOT "
    "NULL, wall INTEGER NOT NULL, amount INTEGER NOT NULL, digest INTEGER NOT NULL)",
    "CREATE TABLE marks(id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, since_boot INTEGER NOT "
    "NULL, wall INTEGER NOT NULL, amount INTEGER NOT NULL, digest INTEGER NOT NULL)",
};

/// The rows of the table marks.
enum class mark : std::int64_t {
    begin = 1, ///< when the file was made
    forgotten, ///< when the last of what was removed of the table spent was spent
    pause,     ///< when the server asked for a pause, and its length in nanoseconds
};

/// An amount and when that was: a row of the tables spent, answers and marks.
struct dated {
    std::int64_t id = 0;
    moment at;
    std::int64_t amount = 0;
};

/// All that a checkpoint holds.
struct contents {
    std::string job;
    std::string progress;
    std::string note;
    std::int64_t first_key = 1;   // of these
    std::deque<std::string> keys; // the newest
    std::int64_t oldest_key = 1;  // of those in the file
    std::vector<dated> spent;
    std::vector<dated> answers;
    history known;
    moment pause_begin;
    std::chrono::nanoseconds pause{0};

    std::int64_t last_key() const { return first_key + std::ssize(keys) - 1; }
};

inline std::int64_t digest_of(const char* table, const dated& one)
{
    return digest{table}
        .add(one.id)
        .add(one.at.boot)
        .add(one.at.since_boot.count())
        .add(one.at.wall.count())
        .add(one.amount)
        .value();
}

inline std::int64_t digest_of_saved(const std::string& progress, const std::string& note,
                                    std::int64_t first_key, std::int64_t last_key)
{
    return digest{"saved"}.add(progress).add(note).add(first_key).add(last_key).value();
}

inline std::int64_t digest_of_key(std::int64_t id, const std::string& key)
{
    return digest{"keys"}.add(id).add(key).value();
}

/// Runs a statement that writes a row of spent, answers or marks.
inline void write(statement& into, const char* table, const dated& one)
{
    into.run(one.id, one.at.boot, one.at.since_boot.count(), one.at.wall.count(), one.amount,
             digest_of(table, one));
}

/// Reads all of a database that has these tables, and checks every row.
class contents_reader {
public:
    /// @param key_bytes  the most memory for the texts of keys; the oldest are left out
    contents_reader(const database& from, std::size_t key_bytes)
        : from_{from}, key_bytes_{key_bytes}
    {
    }

    contents read()
    {
        read_about();
        read_saved();
        read_keys();
        result_.spent = read_dated("spent");
        for (std::size_t i = 1; i < result_.spent.size(); ++i)
            check(result_.spent[i].id == result_.spent[i - 1].id + 1, "spent");
        result_.answers = read_dated("answers");
        read_marks();
        return std::move(result_);
    }

private:
    void check(bool right, const char* table) const
    {
        if (!right)
            from_.refuse(checkpoint_error_code::damaged,
                         std::string{"is damaged: a row of its table "} + table +
                             " is not as it was written");
    }

    void read_about()
    {
        int rows = 0;
        statement{from_, "SELECT job, digest FROM about WHERE id = 1", doing}.each([&](row at) {
            ++rows;
            result_.job = at.text(0);
            check(at.integer(1) == digest{"about"}.add(result_.job).value(), "about");
            return true;
        });
        check(rows == 1, "about");
    }

    void read_saved()
    {
        int rows = 0;
        statement{from_, "SELECT progress, note, first_key, last_key, digest FROM saved", doing}
            .each([&](row at) {
                ++rows;
                result_.progress = at.text(0);
                result_.note = at.text(1);
                result_.first_key = result_.oldest_key = at.integer(2);
                last_key_ = at.integer(3);
                check(at.integer(4) == digest_of_saved(result_.progress, result_.note,
                                                       result_.first_key, last_key_),
                      "saved");
                return true;
            });
        check(rows == 1, "saved");
    }

    void read_keys()
    {
        std::size_t bytes = 0;
        statement{from_, "SELECT id, key, digest FROM keys ORDER BY id", doing}.each([&](row at) {
            const std::int64_t id = at.integer(0);
            std::string key = at.text(1);
            check(id == result_.last_key() + 1 && at.integer(2) == digest_of_key(id, key), "keys");
            bytes += key.size();
            result_.keys.push_back(std::move(key));
            for (; bytes > key_bytes_; ++result_.first_key) {
                bytes -= result_.keys.front().size();
                result_.keys.pop_front();
            }
            return true;
        });
        check(result_.last_key() == last_key_, "keys");
    }

    std::vector<dated> read_dated(const char* table) const
    {
        std::vector<dated> result;
        const std::string sql =
            std::string{"SELECT id, boot, since_boot, wall, amount, digest FROM "} + table +
            " ORDER BY id";
        statement{from_, sql.c_str(), doing}.each([&](row at) {
            dated one;
            one.id = at.integer(0);
            one.at.boot = at.integer(1);
            one.at.since_boot = std::chrono::nanoseconds{at.integer(2)};
            one.at.wall = std::chrono::nanoseconds{at.integer(3)};
            one.amount = at.integer(4);
            check(at.integer(5) == digest_of(table, one), table);
            result.push_back(one);
            return true;
        });
        return result;
    }

    void read_marks()
    {
        bool begun = false;
        for (const dated& one : read_dated("marks")) {
            switch (static_cast<mark>(one.id)) {
            case mark::begin:
                result_.known.begin = one.at;
                begun = true;
                break;
            case mark::forgotten:
                result_.known.forgotten = one.at;
                break;
            case mark::pause:
                result_.pause_begin = one.at;
                result_.pause = std::chrono::nanoseconds{one.amount};
                break;
            }
        }
        check(begun, "marks");
    }

    static constexpr const char* doing = "cannot be read";

    const database& from_;
    std::size_t key_bytes_;
    contents result_;
    std::int64_t last_key_ = 0;
};

} // namespace HEADGATE_NAMESPACE::sqlite::detail

#endif
