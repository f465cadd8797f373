#ifndef EXTRACT_OUTPUT_HPP
#define EXTRACT_OUTPUT_HPP

#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

/// A signal came while a reader was not reading.
class output_interrupted : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What stands in a file that is gone on with, and by what it is known again.
struct written {
    std::uint64_t bytes = 0;
    std::uint64_t lines = 0;
    std::uint64_t tail = 0; ///< a digest of its last bytes

    /// As it is kept in a checkpoint or in Redis.
    std::string text() const
    {
        return nlohmann::json{{"bytes", bytes}, {"lines", lines}, {"tail", tail}}.dump();
    }
    static written read(const std::string& text)
    {
        const auto from = nlohmann::json::parse(text);
        return {from.at("bytes").get<std::uint64_t>(), from.at("lines").get<std::uint64_t>(),
                from.at("tail").get<std::uint64_t>()};
    }
};

/// A file that is written from its beginning, or standard output for "-".
///
/// A pipe whose reader is slow can block a write for ever: after a signal a reader that does not
/// read is not waited for.
class output_file {
public:
    /// @throws std::system_error that names the file and the reason
    explicit output_file(const std::string& file)
        : name_{file == "-" ? "standard output" : file},
          fd_{file == "-" ? STDOUT_FILENO
                          : ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)},
          owner_{file != "-"}
    {
        if (fd_ < 0)
            fail(errno);
        struct stat status {};
        is_regular_ = ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode);
    }

    /// Goes on with a regular file behind what was written to it before; what is there beyond that
    /// goes. It is this process's alone as long as that lives.
    /// @throws std::runtime_error that names the file and the reason; it is left as it was then
    output_file(const std::string& file, const written& before) : output_file{file, alone_tag{}}
    {
        go_on_behind(before);
    }

    /// A regular file that is this process's alone as long as that lives, for `go_on_behind`. Until
    /// then it is left as it is.
    /// @throws std::runtime_error that names the file and the reason
    static output_file alone(const std::string& file) { return {file, alone_tag{}}; }

    /// Writes behind what was written to it before; what is there beyond that goes.
    /// @throws std::runtime_error that names the file and the reason; it is left as it was then
    void go_on_behind(const written& before)
    {
        bytes_ = before.bytes;
        lines_ = before.lines;
        const std::uint64_t there = size();
        if (is_new_ && bytes_ > 0) {
            ::unlink(name_.c_str());
            refuse("is not there, but " + std::to_string(bytes_) +
                   " bytes were written to it before");
        }
        if (there < bytes_)
            refuse("has " + std::to_string(there) + " bytes, but " + std::to_string(bytes_) +
                   " were written to it before: it is another file, or was changed");
        if (bytes_ > 0 && tail() != before.tail)
            refuse("does not have at " + std::to_string(bytes_) +
                   " bytes what was written there before: it is another file, or was changed");
        cut(before);
    }

    /// How many bytes it has.
    /// @throws std::system_error that names the file and the reason
    std::uint64_t size() const
    {
        struct stat status {};
        if (::fstat(fd_, &status) != 0)
            fail(errno);
        return static_cast<std::uint64_t>(status.st_size);
    }

    /// Whether it is still the file of that name and has what was written to it: somebody may have
    /// removed or replaced it.
    bool is_in_place() const
    {
        struct stat mine {};
        struct stat named {};
        return ::fstat(fd_, &mine) == 0 && ::stat(name_.c_str(), &named) == 0 &&
               mine.st_dev == named.st_dev && mine.st_ino == named.st_ino &&
               static_cast<std::uint64_t>(mine.st_size) == bytes_;
    }
    output_file(output_file&& other) noexcept
        : name_{std::move(other.name_)},
          is_new_{other.is_new_},
          fd_{other.fd_},
          owner_{std::exchange(other.owner_, false)},
          is_regular_{other.is_regular_},
          lines_{other.lines_},
          bytes_{other.bytes_},
          part_{other.part_}
    {
    }
    output_file& operator=(output_file&&) = delete;
    ~output_file()
    {
        if (owner_)
            ::close(fd_);
    }

    bool is_regular() const noexcept { return is_regular_; }

    /// What stands in it, once that is on the disk.
    /// @throws std::system_error that names the file and the reason
    written sync() const
    {
        if (::fdatasync(fd_) != 0)
            fail(errno);
        return {bytes_, lines_, tail()};
    }

    /// How many lines were written to their end.
    std::uint64_t lines() const noexcept { return lines_; }

    /// Takes back what was written behind that.
    /// @throws std::system_error that names the file and the reason
    void cut(const written& back)
    {
        const auto end = static_cast<off_t>(back.bytes);
        if (::ftruncate(fd_, end) != 0 || ::lseek(fd_, end, SEEK_SET) != end)
            fail(errno);
        bytes_ = back.bytes;
        lines_ = back.lines;
        part_ = 0;
    }

    /// @throws std::system_error that names the file and the reason, or output_interrupted
    void write(std::string_view text)
    {
        while (!text.empty()) {
            const ssize_t written = ::write(fd_, text.data(), text.size());
            if (written > 0) {
                count(text.substr(0, static_cast<std::size_t>(written)));
                text.remove_prefix(static_cast<std::size_t>(written));
            } else if (written < 0 && errno == EAGAIN) {
                wait_for_reader(-1);
            } else if (written < 0 && errno == EINTR) {
                wait_for_reader(300);
            } else {
                const int error = written < 0 ? errno : ENOSPC;
                take_back_part();
                fail(error);
            }
        }
    }

private:
    struct alone_tag {};

    output_file(const std::string& file, alone_tag)
        : name_{file}, fd_{open_or_create(file, is_new_)}, owner_{true}, is_regular_{true}
    {
        if (fd_ < 0)
            fail(errno);
        const auto refuse_and_close = [this](const std::string& why) {
            ::close(fd_);
            refuse(why);
        };
        struct stat status {};
        if (::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode))
            refuse_and_close("is not a regular file, as one that is gone on with has to be");
        if (::flock(fd_, LOCK_EX | LOCK_NB) != 0)
            refuse_and_close("is being written by another process");
    }

    static int open_or_create(const std::string& file, bool& is_new)
    {
        constexpr int flags = O_RDWR | O_CLOEXEC;
        int result = ::open(file.c_str(), flags);
        if (result < 0 && errno == ENOENT) {
            result = ::open(file.c_str(), flags | O_CREAT | O_EXCL, 0666);
            is_new = result >= 0;
        }
        return result;
    }

    /// A digest (FNV-1a) of the last of what was written, by which the file is known again.
    std::uint64_t tail() const
    {
        char last[4096];
        const std::uint64_t size = std::min<std::uint64_t>(bytes_, sizeof last);
        std::uint64_t result = 0xcbf29ce484222325;
        for (std::uint64_t done = 0; done < size;) {
            const ssize_t got = ::pread(fd_, last, static_cast<std::size_t>(size - done),
                                        static_cast<off_t>(bytes_ - size + done));
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                fail(got < 0 ? errno : EIO);
            for (ssize_t i = 0; i < got; ++i)
                result = (result ^ static_cast<unsigned char>(last[i])) * 0x100000001b3;
            done += static_cast<std::uint64_t>(got);
        }
        return result;
    }

    void count(std::string_view written)
    {
        bytes_ += written.size();
        lines_ += static_cast<std::uint64_t>(std::count(written.begin(), written.end(), '\n'));
        const auto end = written.rfind('\n');
        part_ = end == std::string_view::npos ? part_ + written.size() : written.size() - end - 1;
    }

    /// A full disk takes what still fits: the line that was cut is taken back, so that what reads
    /// the file finds whole lines. Not where others have written behind it.
    void take_back_part()
    {
        struct stat status {};
        const off_t end = ::lseek(fd_, 0, SEEK_CUR);
        if (!is_regular_ || part_ == 0 || ::fstat(fd_, &status) != 0 || status.st_size != end)
            return;
        const off_t whole = end - static_cast<off_t>(part_);
        if (::ftruncate(fd_, whole) == 0 && ::lseek(fd_, whole, SEEK_SET) == whole) {
            bytes_ -= part_;
            part_ = 0;
        }
    }

    void wait_for_reader(int milliseconds) const
    {
        pollfd waited{fd_, POLLOUT, 0};
        const int ready = ::poll(&waited, 1, milliseconds);
        if (ready == 0)
            throw output_interrupted{"interrupted while " + name_ + " was not read"};
        if (ready < 0 && milliseconds < 0)
            wait_for_reader(300);
    }

    [[noreturn]] void refuse(const std::string& why) const
    {
        throw std::runtime_error{name_ + ' ' + why};
    }

    [[noreturn]] void fail(int error) const
    {
        throw std::system_error{error, std::generic_category(), "cannot write to " + name_};
    }

    std::string name_;
    bool is_new_ = false; // made here, for want of one
    int fd_;
    bool owner_;
    bool is_regular_ = false;
    std::uint64_t lines_ = 0;
    std::uint64_t bytes_ = 0;
    std::size_t part_ = 0; // bytes behind the last line's end
};

/// Records as lines of JSON.
class ndjson_lines {
public:
    /// Adds a record as it is, every digit of it, but on one line: line breaks, which can only be
    /// between its tokens, go with the indentation behind them.
    void append(const headgate::record& record)
    {
        std::string_view text = record.text();
        for (;;) {
            const auto end = std::min(text.find_first_of("\r\n"), text.size());
            text_.append(text.substr(0, end));
            const auto next = text.find_first_not_of(" \t\r\n", end);
            if (next == std::string_view::npos)
                break;
            text.remove_prefix(next);
        }
        text_ += '\n';
    }

    std::string_view text() const noexcept { return text_; }
    void clear() noexcept { text_.clear(); }
    void remove_prefix(std::size_t bytes) { text_.erase(0, bytes); }

private:
    std::string text_;
};

/// A file or standard output that gets one record a line, in whole lines as far as a writer can see
/// to that.
///
/// A signal can end a write to a pipe anywhere. What is not longer than PIPE_BUF a pipe takes in
/// one piece or not at all, so lines go out in pieces of that size.
class ndjson_output {
public:
    explicit ndjson_output(const std::string& file)
        : file_{file}, piece_{file_.is_regular() ? std::size_t{1} << 20 : PIPE_BUF}
    {
    }

    /// Goes on behind what was written before.
    ndjson_output(const std::string& file, const written& before)
        : file_{file, before}, piece_{std::size_t{1} << 20}, before_{before.lines}
    {
    }

    /// @throws as `output_file::write` does
    void write(const headgate::record_range& records)
    {
        lines_.clear();
        for (const headgate::record record : records) {
            const std::size_t begin = lines_.text().size();
            lines_.append(record);
            if (begin > 0 && lines_.text().size() > piece_) {
                file_.write(lines_.text().substr(0, begin));
                lines_.remove_prefix(begin);
            }
        }
        file_.write(lines_.text());
    }

    /// How many records were written, each of them whole, and how many there were before.
    std::uint64_t records() const noexcept { return file_.lines() - before_; }
    std::uint64_t before() const noexcept { return before_; }

    /// As `output_file::sync`.
    written sync() const { return file_.sync(); }

private:
    output_file file_;
    std::size_t piece_;
    std::uint64_t before_ = 0;
    ndjson_lines lines_;
};

#endif
