#ifndef EXTRACT_OUTPUT_HPP
#define EXTRACT_OUTPUT_HPP

#include <headgate/record.hpp>

#include <fcntl.h>
#include <poll.h>
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

/// A signal came while a reader was not reading.
class output_interrupted : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A file or standard output that gets one record a line, in whole lines as far as a writer can see
/// to that.
///
/// A pipe whose reader is slow can block a write for ever, and a signal can end it anywhere. What
/// is not longer than PIPE_BUF a pipe takes in one piece or not at all, so lines go out in pieces
/// of that size; and after a signal a reader that does not read is not waited for.
class ndjson_output {
public:
    explicit ndjson_output(const std::string& file)
        : name_{file == "-" ? "standard output" : file},
          fd_{file == "-" ? STDOUT_FILENO
                          : ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)},
          owner_{file != "-"}
    {
        if (fd_ < 0)
            fail(errno);
        struct stat status {};
        if (::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode))
            piece_ = std::size_t{1} << 20;
    }
    ndjson_output(const ndjson_output&) = delete;
    ndjson_output& operator=(const ndjson_output&) = delete;
    ~ndjson_output()
    {
        if (owner_)
            ::close(fd_);
    }

    /// @throws std::system_error that names the file and the reason, or output_interrupted
    void write(const headgate::record_range& records)
    {
        lines_.clear();
        for (const headgate::record record : records) {
            const std::size_t begin = lines_.size();
            append_line(record.text());
            if (begin > 0 && lines_.size() > piece_) {
                write_all(std::string_view{lines_}.substr(0, begin));
                lines_.erase(0, begin);
            }
            ++pending_;
        }
        write_all(lines_);
    }

    /// How many records were written.
    std::uint64_t records() const noexcept { return records_; }

private:
    /// A record as it is, every digit of it, but on one line: line breaks, which can only be
    /// between its tokens, go with the indentation behind them.
    void append_line(std::string_view text)
    {
        for (;;) {
            const auto end = std::min(text.find_first_of("\r\n"), text.size());
            lines_.append(text.substr(0, end));
            const auto next = text.find_first_not_of(" \t\r\n", end);
            if (next == std::string_view::npos)
                break;
            text.remove_prefix(next);
        }
        lines_ += '\n';
    }

    void write_all(std::string_view text)
    {
        while (!text.empty()) {
            const ssize_t written = ::write(fd_, text.data(), text.size());
            if (written > 0)
                text.remove_prefix(static_cast<std::size_t>(written));
            else if (written < 0 && errno == EAGAIN)
                wait_for_reader(-1);
            else if (written < 0 && errno == EINTR)
                wait_for_reader(300);
            else
                fail(written < 0 ? errno : ENOSPC);
        }
        records_ += pending_;
        pending_ = 0;
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

    [[noreturn]] void fail(int error) const
    {
        throw std::system_error{error, std::generic_category(), "cannot write to " + name_};
    }

    std::string name_;
    int fd_;
    bool owner_;
    std::size_t piece_ = PIPE_BUF;
    std::string lines_;
    std::uint64_t pending_ = 0;
    std::uint64_t records_ = 0;
};

#endif
