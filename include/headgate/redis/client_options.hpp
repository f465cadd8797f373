#ifndef HEADGATE_REDIS_CLIENT_OPTIONS_HPP
#define HEADGATE_REDIS_CLIENT_OPTIONS_HPP

#include <headgate/detail/config.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace HEADGATE_NAMESPACE::redis {

/// Where a Redis is and how a client behaves.
class client_options {
public:
    /// What it counts time in.
    using milliseconds = std::chrono::milliseconds;
    struct keyed;

    /// A Redis on 127.0.0.1:6379 without a password.
    client_options() = default;

    /// `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS. User and password
    /// are percent-decoded; with a password alone the user is Redis' default one.
    /// @throws std::invalid_argument that says what is wrong, without the password.
    explicit client_options(const std::string& url)
    {
        const std::string path = parse(url);
        if (!path.empty())
            database(number(path, 0, max_database, "the database"));
    }

    /// `redis://[user:password@]host[:port]/[database/]key`: options and the key in one, for
    /// programs that are told both at once. Slashes are part of the key.
    /// @throws std::invalid_argument as above, and if there is no key.
    static keyed with_key(const std::string& url);

    /// A host name or address, and its port.
    /// @throws std::invalid_argument if the name is empty or has a control character.
    client_options& host(std::string name, std::uint16_t port = default_port)
    {
        if (name.empty() || std::any_of(name.begin(), name.end(), is_control))
            throw std::invalid_argument{"redis::client_options: host is empty or has a control "
                                        "character"};
        host_ = std::move(name);
        port_ = port;
        return *this;
    }
    /// The host, without brackets if it is an address of IPv6.
    const std::string& host() const noexcept { return host_; }
    /// The port.
    std::uint16_t port() const noexcept { return port_; }

    /// A socket in the file system instead of host and port.
    client_options& unix_socket(std::string path)
    {
        unix_socket_ = std::move(path);
        return *this;
    }
    /// Empty if there is none.
    const std::string& unix_socket() const noexcept { return unix_socket_; }

    /// What to say to AUTH. Without a user it is the default user's password.
    client_options& credentials(std::string user, std::string password)
    {
        user_ = std::move(user);
        password_ = std::move(password);
        return *this;
    }
    /// Empty for Redis' default user.
    const std::string& user() const noexcept { return user_; }
    /// Empty if there is none.
    const std::string& password() const noexcept { return password_; }

    /// The number of the database; 0 unless set.
    /// @throws std::invalid_argument if it is negative.
    client_options& database(int number)
    {
        if (number < 0)
            throw std::invalid_argument{"redis::client_options: database is " +
                                        std::to_string(number) + ", must not be negative"};
        database_ = number;
        return *this;
    }
    /// What is set, or the default.
    int database() const noexcept { return database_; }

    /// Whether to speak TLS, with the certificate and its name checked. hiredis has it from 1.0 on,
    /// in hiredis_ssl: CMake's target speaks it where `find_package(hiredis_ssl)` came before it.
    /// Otherwise commands fail with `error::tls_unavailable`.
    client_options& tls(bool wanted)
    {
        tls_ = wanted;
        return *this;
    }
    /// What is set, or the default: false.
    bool tls() const noexcept { return tls_; }

    /// A file of certificates (PEM) to trust instead of the system's.
    client_options& ca_file(std::string path)
    {
        ca_file_ = std::move(path);
        return *this;
    }
    /// Empty for the system's.
    const std::string& ca_file() const noexcept { return ca_file_; }

    /// How long one attempt to connect may take, to the end of AUTH and SELECT; 5 s unless set.
    /// @throws std::invalid_argument if it is not positive or more than 24 days.
    client_options& connect_timeout(milliseconds time)
    {
        connect_timeout_ = positive(time, "connect_timeout");
        return *this;
    }
    /// What is set, or the default.
    milliseconds connect_timeout() const noexcept { return connect_timeout_; }

    /// How long a command may take from its call to its reply, connecting included; 10 s unless
    /// set. Commands that block in Redis have to be done by then.
    /// @throws std::invalid_argument if it is not positive or more than 24 days.
    client_options& command_timeout(milliseconds time)
    {
        command_timeout_ = positive(time, "command_timeout");
        return *this;
    }
    /// What is set, or the default.
    milliseconds command_timeout() const noexcept { return command_timeout_; }

    /// How long to wait between attempts to connect: at first, and at most, after doubling. 20 ms
    /// and 1 s unless set; each wait is shortened by up to a half at random.
    /// @throws std::invalid_argument if one is not positive or the second is less than the first.
    client_options& reconnect_backoff(milliseconds first, milliseconds most)
    {
        positive(first, "reconnect_backoff");
        if (positive(most, "reconnect_backoff") < first)
            throw std::invalid_argument{"redis::client_options: the most of reconnect_backoff is "
                                        "less than the first"};
        first_backoff_ = first;
        most_backoff_ = most;
        return *this;
    }
    /// What is set, or the default.
    milliseconds first_backoff() const noexcept { return first_backoff_; }
    /// What is set, or the default.
    milliseconds most_backoff() const noexcept { return most_backoff_; }

    /// What it connects to, fit for a message.
    std::string address() const
    {
        if (!unix_socket_.empty())
            return unix_socket_;
        const bool is_v6 = host_.find(':') != std::string::npos;
        return (is_v6 ? '[' + host_ + ']' : host_) + ':' + std::to_string(port_);
    }

    /// The port of a URL that has none.
    static constexpr std::uint16_t default_port = 6379;

private:
    struct deleter {
        void operator()(CURLU* handle) const noexcept { curl_url_cleanup(handle); }
        void operator()(char* text) const noexcept { curl_free(text); }
    };
    using handle = std::unique_ptr<CURLU, deleter>;

    static constexpr int max_database = 1'000'000;

    static bool is_control(unsigned char c) noexcept { return c < 0x20 || c == 0x7f; }

    static std::string part(const handle& url, CURLUPart what, unsigned flags = 0)
    {
        char* text = nullptr;
        const CURLUcode failed = curl_url_get(url.get(), what, &text, flags);
        if (failed == CURLUE_URLDECODE)
            throw std::invalid_argument{"Redis URL: a part has an encoded control character in it"};
        if (failed != CURLUE_OK)
            return {};
        const std::unique_ptr<char, deleter> owner{text};
        return text;
    }

    static int number(const std::string& text, int least, int most, const std::string& what)
    {
        int value = 0;
        const char* const end = text.data() + text.size();
        const auto result = std::from_chars(text.data(), end, value);
        if (result.ec != std::errc{} || result.ptr != end || value < least || value > most)
            throw std::invalid_argument{"Redis URL: " + what + " is \"" + text + "\", must be " +
                                        std::to_string(least) + " to " + std::to_string(most)};
        return value;
    }

    /// @return the path without its first slash, decoded
    std::string parse(const std::string& text)
    {
        if (std::any_of(text.begin(), text.end(), is_control))
            throw std::invalid_argument{"Redis URL has a control character in it"};
        const handle url{curl_url()};
        if (!url)
            throw std::bad_alloc{};
        const CURLUcode failed =
            curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME);
        if (failed != CURLUE_OK)
            throw std::invalid_argument{std::string{"Redis URL: "} + curl_url_strerror(failed) +
                                        "; expected redis://host:port"};
        const std::string scheme = part(url, CURLUPART_SCHEME);
        if (scheme != "redis" && scheme != "rediss")
            throw std::invalid_argument{"Redis URL: the scheme is " + scheme +
                                        ", must be redis or rediss"};
        if (!part(url, CURLUPART_QUERY).empty() || !part(url, CURLUPART_FRAGMENT).empty())
            throw std::invalid_argument{"Redis URL: there must be no query and no fragment"};
        std::string name = part(url, CURLUPART_HOST, CURLU_URLDECODE);
        if (name.size() > 2 && name.front() == '[')
            name = name.substr(1, name.size() - 2);
        const std::string port_text = part(url, CURLUPART_PORT);
        host(std::move(name), port_text.empty() ? default_port
                                                : static_cast<std::uint16_t>(
                                                      number(port_text, 1, 65535, "the port")));
        credentials(part(url, CURLUPART_USER, CURLU_URLDECODE),
                    part(url, CURLUPART_PASSWORD, CURLU_URLDECODE));
        tls_ = scheme == "rediss";
        std::string path = part(url, CURLUPART_PATH, CURLU_URLDECODE);
        return path.empty() ? path : path.substr(1);
    }

    static milliseconds positive(milliseconds time, const char* name)
    {
        if (time.count() <= 0 || time.count() > std::numeric_limits<int>::max())
            throw std::invalid_argument{std::string{"redis::client_options: "} + name + " is " +
                                        std::to_string(time.count()) +
                                        " ms, must be positive and at most 24 days"};
        return time;
    }

    std::string host_ = "127.0.0.1";
    std::uint16_t port_ = default_port;
    std::string unix_socket_;
    std::string user_;
    std::string password_;
    int database_ = 0;
    bool tls_ = false;
    std::string ca_file_;
    milliseconds connect_timeout_{5'000};
    milliseconds command_timeout_{10'000};
    milliseconds first_backoff_{20};
    milliseconds most_backoff_{1'000};
};

/// What a URL with a key says.
struct client_options::keyed {
    client_options options; ///< where Redis is
    std::string key;        ///< never empty
};

inline client_options::keyed client_options::with_key(const std::string& url)
{
    client_options options;
    std::string path = options.parse(url);
    const auto slash = path.find('/');
    if (slash != std::string::npos && slash > 0 && path.find_first_not_of("0123456789") == slash) {
        options.database(number(path.substr(0, slash), 0, max_database, "the database"));
        path.erase(0, slash + 1);
    }
    if (path.empty())
        throw std::invalid_argument{"Redis URL: there is no key, expected redis://host:port/key"};
    return keyed{std::move(options), std::move(path)};
}

} // namespace HEADGATE_NAMESPACE::redis

#endif
