#ifndef EXTRACT_REPLACED_FILE_HPP
#define EXTRACT_REPLACED_FILE_HPP

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

/// A file that is written at once and takes the place of what was there under its name when it is
/// whole: who reads finds the old one, or the new one, or none.
class replaced_file {
public:
    /// Finds out whether it can be written; leaves everything as it is.
    /// @throws std::runtime_error that names the file and the reason
    explicit replaced_file(const std::string& file) : name_{file}
    {
        std::error_code failed;
        const auto target = std::filesystem::weakly_canonical(file, failed); // through a link
        target_ = failed ? std::filesystem::path{file} : target;
        part_ = target_.parent_path() / (".extract-" + std::to_string(::getpid()) + ".part");
        struct stat status {};
        if (!target_.has_filename() ||
            (::stat(target_.c_str(), &status) == 0 && S_ISDIR(status.st_mode)))
            fail(EISDIR);
        if (status.st_nlink > 0 && !S_ISREG(status.st_mode))
            throw std::runtime_error{"cannot write to " + name_ + ": it is no regular file"};
        ::close(open());
        ::unlink(part_.c_str());
    }

    /// @throws std::system_error that names the file and the reason
    void write(std::string_view text) const
    {
        const int fd = open();
        int error = 0;
        while (!text.empty() && error == 0) {
            const ssize_t written = ::write(fd, text.data(), text.size());
            if (written > 0)
                text.remove_prefix(static_cast<std::size_t>(written));
            else if (written == 0 || errno != EINTR)
                error = written < 0 ? errno : ENOSPC;
        }
        if (::close(fd) != 0 && error == 0)
            error = errno;
        if (error == 0 && std::rename(part_.c_str(), target_.c_str()) != 0)
            error = errno;
        if (error != 0) {
            ::unlink(part_.c_str());
            fail(error);
        }
    }

private:
    int open() const
    {
        ::unlink(part_.c_str()); // of a process that had the same number
        const int fd = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0)
            fail(errno);
        return fd;
    }

    [[noreturn]] void fail(int error) const
    {
        throw std::system_error{error, std::generic_category(), "cannot write to " + name_};
    }

    std::string name_;
    std::filesystem::path target_;
    std::filesystem::path part_;
};

#endif
