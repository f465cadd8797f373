#ifndef HEADGATE_SQLITE_DETAIL_FRESH_FILE_HPP
#define HEADGATE_SQLITE_DETAIL_FRESH_FILE_HPP

#include <headgate/detail/config.hpp>
#include <headgate/sqlite/checkpoint_error.hpp>
#include <headgate/sqlite/detail/database.hpp>
#include <headgate/sqlite/detail/digest.hpp>
#include <headgate/sqlite/detail/layout.hpp>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace HEADGATE_NAMESPACE::sqlite::detail {

/// The name of a file as SQLite takes it together with parameters.
inline std::string uri_of(const std::string& file, std::string_view query)
{
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string result = "file:";
    for (const char c : std::filesystem::absolute(file).string()) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '%' || c == '?' || c == '#') {
            result += '%';
            result += digits[byte / 16];
            result += digits[byte % 16];
        } else {
            result += c;
        }
    }
    return result.append("?").append(query);
}

/// A new checkpoint of a job, all of it or nothing: it is made under another name and gets its own
/// when it is whole and on the disk.
class fresh_file {
public:
    /// @return false if there is such a file now
    static bool make(const std::string& file, const std::string& job, const moment& now)
    {
        // Two who do this at the same time would use the same name.
        const directory there{std::filesystem::absolute(file).parent_path()};
        std::error_code failed;
        if (std::filesystem::exists(file, failed))
            return false;
        const leftovers temporary{file, file + ".headgate-new"};
        create(file, temporary.name);
        write(file, temporary.name, job, now);
        // Of a file that somebody removed: SQLite would take it for a part of this one.
        for (const char* suffix : {"-wal", "-journal"})
            remove(file, file + suffix);
        std::filesystem::rename(temporary.name, file, failed);
        if (failed)
            refuse(file, failed);
        there.sync();
        return true;
    }

private:
    [[noreturn]] static void refuse(const std::string& file, std::error_code why)
    {
        throw checkpoint_error{checkpoint_error_code::io,
                               about(file, "cannot be made: " + why.message())};
    }

    static void remove(const std::string& file, const std::string& name)
    {
        std::error_code failed;
        std::filesystem::remove(name, failed);
        // A parent that is no directory is for who makes the file to tell.
        if (failed && failed != std::errc::not_a_directory)
            refuse(file, failed);
    }

    /// What one that was killed while it did this has left, and later what this one leaves.
    struct leftovers {
        leftovers(const std::string& file, std::string called) : name{std::move(called)}
        {
            for (const char* suffix : {"", "-wal", "-journal"})
                remove(file, name + suffix);
        }
        leftovers(const leftovers&) = delete;
        leftovers& operator=(const leftovers&) = delete;
        ~leftovers()
        {
            std::error_code ignored;
            for (const char* suffix : {"", "-wal", "-journal"})
                std::filesystem::remove(name + suffix, ignored);
        }
        std::string name;
    };

    /// A directory, locked against others who make a checkpoint there. Where it cannot be locked it
    /// goes without: that is only about two who begin the same job in the same moment.
    class directory {
    public:
        explicit directory(const std::filesystem::path& path)
            : handle_{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)}
        {
            constexpr auto interval = std::chrono::milliseconds{5};
            for (int i = 0; i < 400; ++i) {
                if (handle_ < 0 || ::flock(handle_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
                    break;
                std::this_thread::sleep_for(interval);
            }
        }
        directory(const directory&) = delete;
        directory& operator=(const directory&) = delete;
        ~directory()
        {
            if (handle_ >= 0)
                ::close(handle_);
        }

        /// A name is on the disk when its directory is.
        void sync() const
        {
            if (handle_ >= 0)
                ::fsync(handle_);
        }

    private:
        int handle_;
    };

    /// For its owner only: a URL may hold a secret.
    static void create(const std::string& file, const std::string& name)
    {
        const int handle = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (handle < 0)
            refuse(file, {errno, std::generic_category()});
        ::close(handle);
    }

    static void write(const std::string& file, const std::string& name, const std::string& job,
                      const moment& now)
    {
        constexpr const char* doing = "cannot be made";
        database made{file, uri_of(name, "mode=rw"), SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX};
        made.execute("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY; "
                     "PRAGMA synchronous=FULL",
                     doing);
        transaction all{made, doing};
        const std::string header = "PRAGMA application_id=" + std::to_string(application_id) +
                                   "; PRAGMA user_version=" + std::to_string(layout_version);
        made.execute(header.c_str(), doing);
        for (const char* each : tables)
            made.execute(each, doing);
        statement{made, "INSERT INTO about VALUES (1, ?, ?)", doing}.run(
            job, digest{"about"}.add(job).value());
        statement{made, "INSERT INTO saved VALUES (1, '', '', 1, 0, ?)", doing}.run(
            digest_of_saved("", "", 1, 0));
        statement begin{made, "INSERT INTO marks VALUES (?, ?, ?, ?, ?, ?)", doing};
        detail::write(begin, "marks", {static_cast<std::int64_t>(mark::begin), now, 0});
        all.commit();
        // Written with the journal of before, so that the file alone is all there is of it.
        made.execute("PRAGMA journal_mode=WAL", doing);
    }
};

} // namespace HEADGATE_NAMESPACE::sqlite::detail

#endif
