#ifndef HEADGATE_SQLITE_DETAIL_CHECKPOINT_FILE_HPP
#define HEADGATE_SQLITE_DETAIL_CHECKPOINT_FILE_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/printable.hpp>
#include <headgate/sqlite/checkpoint_error.hpp>
#include <headgate/sqlite/detail/database.hpp>
#include <headgate/sqlite/detail/fresh_file.hpp>
#include <headgate/sqlite/detail/layout.hpp>

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace HEADGATE_NAMESPACE::sqlite::detail {

/// The file of a checkpoint, open, and what was in it. A file that is refused is left as it was,
/// and so is what stands beside it.
///
/// SQLite's own lock of an exclusive connection keeps everybody else out. It is a POSIX lock, so it
/// ends with the process. That such a lock also ends when the process closes the file anywhere is
/// why the file is never opened but through SQLite, which sees to that.
class checkpoint_file {
public:
    checkpoint_file(const std::string& file, const std::string& job, std::size_t key_bytes,
                    const moment& now)
        : is_new_{make_unless_there(file, job, now)}, database_{open(file)}
    {
        // Neither the rollback of a log nor its removal, until it is known whose it is.
        sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
        if (sqlite3_db_readonly(database_.get(), "main") != 0)
            database_.refuse(checkpoint_error_code::io, "cannot be written: it is read-only");
        made_log log{database_};
        lock(log);
        check_structure();
        contents_ = contents_reader{database_, key_bytes}.read();
        if (contents_.job != job)
            database_.refuse(checkpoint_error_code::other_job,
                             "is of another job: of " + headgate::detail::printable(contents_.job) +
                                 ", not of " + headgate::detail::printable(job));
        use_log();
        log.keep();
        sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
    }

    bool is_new() const { return is_new_; }
    database& connection() { return database_; }
    contents& found() { return contents_; }

private:
    /// The log that opening a database makes, which is empty, goes unless it is kept.
    class made_log {
    public:
        explicit made_log(const database& of)
            : name_{std::string{sqlite3_db_filename(of.get(), "main")} + "-wal"}
        {
            std::error_code ignored;
            made_ = !std::filesystem::exists(name_, ignored) && !ignored;
        }
        made_log(const made_log&) = delete;
        made_log& operator=(const made_log&) = delete;
        ~made_log()
        {
            std::error_code failed;
            if (made_ && std::filesystem::file_size(name_, failed) == 0 && !failed)
                std::filesystem::remove(name_, failed);
        }

        void keep() { made_ = false; }

    private:
        std::string name_;
        bool made_ = false;
    };

    static bool make_unless_there(const std::string& file, const std::string& job,
                                  const moment& now)
    {
        std::error_code failed;
        const auto what = std::filesystem::status(file, failed);
        if (what.type() == std::filesystem::file_type::not_found)
            return fresh_file::make(file, job, now);
        if (failed)
            throw checkpoint_error{checkpoint_error_code::io,
                                   about(file, "cannot be opened: " + failed.message())};
        if (!std::filesystem::is_regular_file(what))
            throw checkpoint_error{checkpoint_error_code::not_a_checkpoint,
                                   about(file, "is not a file")};
        return false;
    }

    static database open(const std::string& file)
    {
        check_header(file);
        return {file, uri_of(file, "mode=rw"), SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX};
    }

    /// Whether it says of itself that it is a checkpoint, before SQLite would do anything about it:
    /// an immutable database is neither locked nor recovered.
    static void check_header(const std::string& file)
    {
        const database looked_at{file, uri_of(file, "immutable=1"),
                                 SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX};
        sqlite3_file* bytes = nullptr;
        looked_at.check(sqlite3_file_control(looked_at.get(), "main", SQLITE_FCNTL_FILE_POINTER,
                                             static_cast<void*>(&bytes)),
                        "cannot be read");
        sqlite3_int64 size = 0;
        looked_at.check(bytes->pMethods->xFileSize(bytes, &size), "cannot be read");
        unsigned char header[100] = {};
        const int result = bytes->pMethods->xRead(bytes, header, sizeof header, 0);
        if (result != SQLITE_IOERR_SHORT_READ) // what there is not is zeros
            looked_at.check(result, "cannot be read");

        using enum checkpoint_error_code;
        if (size == 0)
            looked_at.refuse(not_a_checkpoint, "is empty; a checkpoint never is. To begin anew "
                                               "remove the file");
        if (std::memcmp(header, "SQLite format 3", 16) != 0)
            looked_at.refuse(not_a_checkpoint, "is not a checkpoint, nor any database of SQLite");
        if (size < static_cast<sqlite3_int64>(sizeof header))
            looked_at.refuse(damaged, "is damaged: it ends within its header");
        // The offsets are those of the file format of SQLite.
        if (number(header + 68) != application_id)
            looked_at.refuse(not_a_checkpoint, "is not a checkpoint, but a database of another "
                                               "program");
        if (const std::int64_t version = number(header + 60); version != layout_version)
            looked_at.refuse(other_version, "has version " + std::to_string(version) +
                                                " of the layout of checkpoints, and only " +
                                                std::to_string(layout_version) + " can be read");
    }

    static std::int64_t number(const unsigned char* bytes)
    {
        std::int64_t result = 0;
        for (int i = 0; i < 4; ++i)
            result = result * 256 + bytes[i];
        return result;
    }

    void lock(made_log& log)
    {
        try {
            database_.execute("PRAGMA locking_mode=EXCLUSIVE; SELECT count(*) FROM sqlite_schema",
                              "cannot be read");
        } catch (const checkpoint_error& error) {
            if (error.code() == checkpoint_error_code::in_use)
                log.keep(); // it is another's, just made
            throw;
        }
    }

    void check_structure()
    {
        std::string said;
        statement{database_, "PRAGMA quick_check(1)", "cannot be read"}.each([&](row at) {
            said = at.text(0);
            return true;
        });
        if (said != "ok")
            database_.refuse(checkpoint_error_code::damaged,
                             "is damaged: " + headgate::detail::printable(said));
        std::string found;
        statement{database_, "SELECT sql FROM sqlite_schema ORDER BY rowid", "cannot be read"}.each(
            [&](row at) {
                found += at.text(0) + ';';
                return true;
            });
        std::string expected;
        for (const char* each : tables)
            expected += std::string{each} + ';';
        if (found != expected)
            database_.refuse(checkpoint_error_code::damaged, "is damaged: its tables are not those "
                                                             "of a checkpoint");
    }

    void use_log()
    {
        std::string mode;
        statement{database_, "PRAGMA journal_mode=WAL", "cannot be written"}.each([&](row at) {
            mode = at.text(0);
            return true;
        });
        if (mode != "wal")
            database_.refuse(checkpoint_error_code::io, "is on a file system without what SQLite "
                                                        "needs for a write-ahead log");
        // The log is written over from its beginning each time that the file has all of it, which
        // SQLite sees to at 1000 pages; a longer one is cut off then.
        database_.execute("PRAGMA journal_size_limit=8388608", "cannot be written");
    }

    bool is_new_;
    database database_;
    contents contents_;
};

} // namespace HEADGATE_NAMESPACE::sqlite::detail

#endif
