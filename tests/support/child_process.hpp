#ifndef HEADGATE_TESTS_SUPPORT_CHILD_PROCESS_HPP
#define HEADGATE_TESTS_SUPPORT_CHILD_PROCESS_HPP

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <exception>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <system_error>

namespace support {

/// A process forked off that does one thing and tells numbers about it. The test has one thread
/// when it makes one.
class child_process {
public:
    using tell_function = std::function<void(std::int64_t)>;

    /// Runs `work` in it, which gets a function that tells a number.
    explicit child_process(const std::function<void(const tell_function&)>& work)
    {
        int ends[2];
        if (::pipe(ends) != 0)
            throw std::system_error{errno, std::generic_category(), "pipe"};
        id_ = ::fork();
        if (id_ < 0)
            throw std::system_error{errno, std::generic_category(), "fork"};
        if (id_ == 0) {
            ::close(ends[0]);
            int status = 0;
            try {
                work([&ends](std::int64_t number) {
                    if (::write(ends[1], &number, sizeof number) != sizeof number)
                        ::_exit(2);
                });
            } catch (const std::exception& e) {
                std::cerr << "child process: " << e.what() << std::endl;
                status = 1;
            }
            ::_exit(status);
        }
        ::close(ends[1]);
        from_ = ends[0];
    }
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;
    ~child_process()
    {
        kill();
        ::close(from_);
    }

    /// The next number it told; false if there will be none any more.
    bool hear(std::int64_t& number)
    {
        ssize_t got;
        do
            got = ::read(from_, &number, sizeof number);
        while (got < 0 && errno == EINTR);
        return got == sizeof number;
    }

    /// Ends it as nothing can be prepared for. What it told before can still be heard.
    void kill()
    {
        if (id_ > 0)
            ::kill(id_, SIGKILL);
        wait();
    }

    /// Waits until it has ended by itself, and returns its status.
    int wait()
    {
        int status = 0;
        if (id_ > 0)
            ::waitpid(id_, &status, 0);
        id_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

private:
    pid_t id_ = -1;
    int from_ = -1;
};

} // namespace support

#endif
