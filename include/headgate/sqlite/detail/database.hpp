#ifndef HEADGATE_SQLITE_DETAIL_DATABASE_HPP
#define HEADGATE_SQLITE_DETAIL_DATABASE_HPP

#include <headgate/detail/config.hpp>
#include <headgate/sqlite/checkpoint_error.hpp>

#include <sqlite3.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace HEADGATE_NAMESPACE::sqlite::detail {

/// The text of an exception about a file.
inline std::string about(const std::string& file, const std::string& what)
{
    return "checkpoint " + file + ": " + what;
}

/// A connection to a database, and what its errors become.
class database {
public:
    /// @param file   what messages call it
    /// @param uri    where it is, as SQLite takes it
    /// @param flags  of sqlite3_open_v2
    database(std::string file, const std::string& uri, int flags) : file_{std::move(file)}
    {
        sqlite3* opened = nullptr;
        const int result = sqlite3_open_v2(uri.c_str(), &opened, flags | SQLITE_OPEN_URI, nullptr);
        connection_.reset(opened); // also if it failed: it has the reason
        check(result, "cannot be opened");
        sqlite3_extended_result_codes(opened, 1);
    }

    sqlite3* get() const { return connection_.get(); }
    const std::string& file() const { return file_; }

    void execute(const char* sql, const char* doing)
    {
        errno = 0;
        check(sqlite3_exec(get(), sql, nullptr, nullptr, nullptr), doing);
    }

    void check(int result, const char* doing) const
    {
        if (result != SQLITE_OK)
            fail(result, doing);
    }

    [[noreturn]] void fail(int result, const char* doing) const
    {
        const int kind = result & 0xff;
        if (kind == SQLITE_NOMEM)
            throw std::bad_alloc{};
        if (kind == SQLITE_BUSY || kind == SQLITE_LOCKED)
            refuse(checkpoint_error_code::in_use,
                   "is in use: another process has it open, or this one has it twice");
        if (kind == SQLITE_READONLY)
            doing = "cannot be written";
        std::string text = std::string{doing} + ": " + reason(result);
        if (result == SQLITE_READONLY_DIRECTORY)
            text += ", for no file can be made in its directory";
        const bool damaged = kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB;
        if (damaged)
            text = "is damaged: " + reason(result);
        refuse(damaged ? checkpoint_error_code::damaged : checkpoint_error_code::io, text);
    }

    [[noreturn]] void refuse(checkpoint_error_code code, const std::string& what) const
    {
        throw checkpoint_error{code, about(file_, what)};
    }

private:
    std::string reason(int result) const
    {
        std::string text = get() ? sqlite3_errmsg(get()) : sqlite3_errstr(result);
        int system = get() ? sqlite3_system_errno(get()) : 0;
        if (system == 0)
            system = errno; // SQLite does not note it each time
        const int kind = result & 0xff;
        if (system != 0 && (kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN || kind == SQLITE_FULL))
            text += " (" + std::generic_category().message(system) + ")";
        return text;
    }

    struct closer {
        void operator()(sqlite3* connection) const { sqlite3_close(connection); }
    };

    std::string file_;
    std::unique_ptr<sqlite3, closer> connection_;
};

/// The row that a statement stands at.
class row {
public:
    explicit row(sqlite3_stmt* at) : at_{at} {}

    std::int64_t integer(int column) const { return sqlite3_column_int64(at_, column); }
    std::string text(int column) const
    {
        const void* data = sqlite3_column_blob(at_, column);
        const int size = sqlite3_column_bytes(at_, column);
        return data ? std::string(static_cast<const char*>(data), static_cast<std::size_t>(size))
                    : std::string{};
    }

private:
    sqlite3_stmt* at_;
};

/// A statement that is kept. Its database has to outlive it.
class statement {
public:
    /// @param doing  what a message says could not be done
    statement(const database& of, const char* sql, const char* doing) : of_{&of}, doing_{doing}
    {
        sqlite3_stmt* prepared = nullptr;
        const int result =
            sqlite3_prepare_v3(of.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
        prepared_.reset(prepared);
        of.check(result, doing);
    }

    /// Runs it with these arguments to its end.
    template <class... Arguments>
    void run(const Arguments&... arguments)
    {
        each([](const row&) { return true; }, arguments...);
    }

    /// Gives each of its rows to `use`, until that returns false.
    template <class Use, class... Arguments>
    void each(Use&& use, const Arguments&... arguments)
    {
        const resetter at_the_end{prepared_.get()};
        int place = 0;
        errno = 0;
        (bind(++place, arguments), ...);
        int result = sqlite3_step(prepared_.get());
        while (result == SQLITE_ROW && use(row{prepared_.get()}))
            result = sqlite3_step(prepared_.get());
        if (result != SQLITE_ROW && result != SQLITE_DONE)
            of_->fail(result, doing_);
    }

private:
    /// Also forgets the arguments, which are not copied.
    struct resetter {
        ~resetter()
        {
            sqlite3_reset(statement);
            sqlite3_clear_bindings(statement);
        }
        sqlite3_stmt* statement;
    };

    void bind(int place, std::int64_t value)
    {
        of_->check(sqlite3_bind_int64(prepared_.get(), place, value), doing_);
    }

    void bind(int place, std::string_view text)
    {
        // Null would be no text.
        const char* data = text.empty() ? "" : text.data();
        of_->check(sqlite3_bind_text64(prepared_.get(), place, data, text.size(), SQLITE_STATIC,
                                       SQLITE_UTF8),
                   doing_);
    }

    struct finalizer {
        void operator()(sqlite3_stmt* prepared) const { sqlite3_finalize(prepared); }
    };

    const database* of_;
    const char* doing_;
    std::unique_ptr<sqlite3_stmt, finalizer> prepared_;
};

/// Undone unless it is committed.
class transaction {
public:
    explicit transaction(database& of, const char* doing = "cannot be written")
        : of_{of}, doing_{doing}
    {
        of.execute("BEGIN IMMEDIATE", doing);
    }
    transaction(const transaction&) = delete;
    transaction& operator=(const transaction&) = delete;
    ~transaction()
    {
        // After some errors SQLite has undone it already.
        if (!sqlite3_get_autocommit(of_.get()))
            sqlite3_exec(of_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }

    void commit() { of_.execute("COMMIT", doing_); }

private:
    database& of_;
    const char* doing_;
};

} // namespace HEADGATE_NAMESPACE::sqlite::detail

#endif
