#ifndef HEADGATE_TESTS_SUPPORT_REDIS_SERVER_HPP
#define HEADGATE_TESTS_SUPPORT_REDIS_SERVER_HPP

#include <headgate/error.hpp>

#include "support/catch.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/address_v4.hpp>
#include <asio/ip/tcp.hpp>

#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace support {

/// A real redis-server on loopback in a process and a directory of its own, which go with it. It
/// can be killed and started again on the same port, with what it has kept.
class redis_server {
public:
    class options {
    public:
        options() : persistent_{false} {}
        /// Each write is on disk before it is answered.
        options& persistent(bool wanted = true)
        {
            persistent_ = wanted;
            return *this;
        }
        options& password(std::string text)
        {
            password_ = std::move(text);
            return *this;
        }

        /// Speaks TLS and nothing else, with a certificate and its key in one file.
        options& certificate(std::string file)
        {
            certificate_ = std::move(file);
            return *this;
        }

    private:
        friend class redis_server;
        bool persistent_;
        std::string certificate_;
        std::string password_;
    };

    redis_server() : redis_server{options{}} {}
    explicit redis_server(options how) : options_{std::move(how)}, port_{free_port()}
    {
        std::string name = (std::filesystem::temp_directory_path() / "headgate-redis-").string();
        name += std::string(6, 'X'); // for mkdtemp to replace
        if (!::mkdtemp(name.data()))
            throw std::runtime_error{"no temporary directory"};
        directory_ = name;
        start();
    }
    redis_server(const redis_server&) = delete;
    redis_server& operator=(const redis_server&) = delete;
    ~redis_server()
    {
        kill();
        std::filesystem::remove_all(directory_);
    }

    unsigned short port() const { return port_; }
    pid_t process() const { return process_; }

    /// Its URL, with what comes behind the port.
    std::string url(const std::string& rest = "") const
    {
        const std::string who = options_.password_.empty() ? "" : ':' + options_.password_ + '@';
        return "redis://" + who + "127.0.0.1:" + std::to_string(port_) + rest;
    }

    /// Ends it as kill -9 does.
    void kill()
    {
        if (process_ > 0) {
            ::kill(process_, SIGKILL);
            ::waitpid(process_, nullptr, 0);
        }
        process_ = 0;
    }

    /// Stops it without ending it, and lets it go on.
    void freeze() const { ::kill(process_, SIGSTOP); }
    void thaw() const { ::kill(process_, SIGCONT); }

    /// Starts it, again if it was killed, and waits until it listens.
    void start()
    {
        std::vector<std::string> arguments{"redis-server",
                                           "--port",
                                           std::to_string(port_),
                                           "--bind",
                                           "127.0.0.1",
                                           "--dir",
                                           directory_,
                                           "--save",
                                           "",
                                           "--appendonly",
                                           options_.persistent_ ? "yes" : "no",
                                           "--appendfsync",
                                           options_.persistent_ ? "always" : "no",
                                           "--logfile",
                                           directory_ + "/log"};
        if (!options_.certificate_.empty())
            for (const std::string& each :
                 {std::string{"--tls-port"}, std::to_string(port_), std::string{"--port"},
                  std::string{"0"}, std::string{"--tls-cert-file"}, options_.certificate_,
                  std::string{"--tls-key-file"}, options_.certificate_,
                  std::string{"--tls-ca-cert-file"}, options_.certificate_,
                  std::string{"--tls-auth-clients"}, std::string{"no"}})
                arguments.push_back(each);
        if (!options_.password_.empty()) {
            arguments.push_back("--requirepass");
            arguments.push_back(options_.password_);
        }
        std::vector<char*> pointers;
        for (std::string& each : arguments)
            pointers.push_back(each.data());
        pointers.push_back(nullptr);
        process_ = ::fork();
        if (process_ < 0)
            throw std::runtime_error{"fork failed"};
        if (process_ == 0) {
#ifdef __linux__
            ::prctl(PR_SET_PDEATHSIG, SIGKILL); // also where the test ends in the middle
#endif
            ::execvp("redis-server", pointers.data());
            ::_exit(127);
        }
        for (int tries = 0; !listens(); ++tries) {
            if (tries > 2'000 || ::waitpid(process_, nullptr, WNOHANG) != 0) {
                process_ = 0;
                throw std::runtime_error{
                    "redis-server does not start; the package redis-server has "
                    "to be installed (cmake/quickstart.sh test does that)"};
            }
            std::this_thread::sleep_for(std::chrono::milliseconds{5});
        }
    }

private:
    static unsigned short free_port()
    {
        asio::io_context context;
        using asio::ip::tcp;
        const tcp::acceptor probe{context, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
        return probe.local_endpoint().port();
    }

    bool listens() const
    {
        asio::io_context context;
        asio::ip::tcp::socket socket{context};
        headgate::error_code failed;
        socket.connect({asio::ip::address_v4::loopback(), port_}, failed);
        return !failed;
    }

    options options_;
    unsigned short port_;
    std::string directory_;
    pid_t process_ = 0;
};

} // namespace support

#endif
