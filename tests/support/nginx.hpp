#ifndef HEADGATE_TESTS_SUPPORT_NGINX_HPP
#define HEADGATE_TESTS_SUPPORT_NGINX_HPP

#include "support/catch.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/address_v4.hpp>
#include <asio/ip/tcp.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace support {

/// A directory that goes with its owner.
class temporary_directory {
public:
    temporary_directory()
    {
        std::string name = (std::filesystem::temp_directory_path() / "headgate-").string();
        name += std::string(6, 'X'); // for mkdtemp to replace
        REQUIRE(::mkdtemp(name.data()));
        path_ = name;
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory() { std::filesystem::remove_all(path_); }

    std::string file(const std::string& name) const { return (path_ / name).string(); }

    void write(const std::string& name, const std::string& content) const
    {
        std::ofstream{file(name)} << content;
    }

private:
    std::filesystem::path path_;
};

/// A port on loopback that nobody listens on just now.
inline unsigned short free_port()
{
    asio::io_context context;
    using asio::ip::tcp;
    const tcp::acceptor probe{context, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
    return probe.local_endpoint().port();
}

/// A real nginx in the foreground of a process of its own, stopped by its process id. It answers
/// once it listens; a client has to try until then.
class nginx {
public:
    /// `servers` are the blocks inside `http { }`.
    nginx(const temporary_directory& directory, const std::string& servers)
    {
        directory.write("nginx.conf", "daemon off; master_process off; pid " +
                                          directory.file("pid") + "; error_log " +
                                          directory.file("error.log") +
                                          "; events { } http { access_log off; "
                                          "client_body_temp_path " +
                                          directory.file("body") + "; proxy_temp_path " +
                                          directory.file("proxy") + "; fastcgi_temp_path " +
                                          directory.file("fastcgi") + "; uwsgi_temp_path " +
                                          directory.file("uwsgi") + "; scgi_temp_path " +
                                          directory.file("scgi") + "; " + servers + " }");
        const std::string configuration = directory.file("nginx.conf");
        const std::string log = directory.file("error.log");
        process_ = ::fork();
        REQUIRE(process_ >= 0);
        if (process_ == 0) {
            ::execl("/usr/sbin/nginx", "nginx", "-e", log.c_str(), "-c", configuration.c_str(),
                    static_cast<char*>(nullptr));
            ::_exit(127);
        }
    }
    nginx(const nginx&) = delete;
    nginx& operator=(const nginx&) = delete;
    ~nginx()
    {
        ::kill(process_, SIGTERM);
        ::waitpid(process_, nullptr, 0);
    }

    bool running() const { return ::waitpid(process_, nullptr, WNOHANG) == 0; }

private:
    pid_t process_;
};

} // namespace support

#endif
