#ifndef HEADGATE_REDIS_DETAIL_GREETING_HPP
#define HEADGATE_REDIS_DETAIL_GREETING_HPP

#include <headgate/detail/config.hpp>
#include <headgate/error.hpp>
#include <headgate/redis/client_options.hpp>
#include <headgate/redis/error.hpp>
#include <headgate/redis/reply.hpp>
#include <headgate/redis/server_info.hpp>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// What a client says first on each connection, all of it at once, and what it learns from that.
class greeting {
public:
    explicit greeting(const redis::client_options& options)
    {
        if (!options.password().empty() || !options.user().empty()) {
            std::vector<std::string> login{"AUTH"};
            if (!options.user().empty())
                login.push_back(options.user());
            login.push_back(options.password());
            add(what::login, std::move(login));
        }
        if (options.database() != 0)
            add(what::select, {"SELECT", std::to_string(options.database())});
        add(what::ping, {"PING"}); // refused while Redis still loads its data
        add(what::time, {"TIME"});
        add(what::info, {"INFO", "server"});
    }

    const std::vector<std::vector<std::string>>& commands() const noexcept { return commands_; }

    bool done() const noexcept { return next_ == steps_.size(); }

    /// The reply to the next of the commands.
    void answered(const redis::reply& answer)
    {
        const what step = steps_.at(next_++);
        if (answer.type() == redis::reply::kind::error) {
            // Whoever may not ask for INFO can still use the connection.
            if (step == what::info && !answer.text().starts_with("NOAUTH"))
                return;
            if (!code_) {
                text_ = answer.text();
                code_ = step == what::login || text_.starts_with("NOAUTH") ||
                                text_.starts_with("WRONGPASS")
                            ? redis::error::authentication_failed
                        : step == what::ping && text_.starts_with("LOADING")
                            ? redis::error::connect_failed
                            : redis::error::server_error;
            }
            return;
        }
        if (step == what::time && answer.size() == 2)
            info_.time = std::chrono::seconds{number(answer[0].text())} +
                         std::chrono::microseconds{number(answer[1].text())};
        else if (step == what::info)
            read(answer.text());
    }

    /// Why the connection cannot be used, if it cannot. All but `connect_failed` is for good.
    error_code code() const noexcept { return code_; }
    const std::string& text() const noexcept { return text_; }

    const redis::server_info& info() const noexcept { return info_; }

private:
    enum class what { login, select, ping, time, info };

    void add(what step, std::vector<std::string> command)
    {
        steps_.push_back(step);
        commands_.push_back(std::move(command));
    }

    static std::int64_t number(std::string_view text) noexcept
    {
        std::int64_t value = 0;
        std::from_chars(text.data(), text.data() + text.size(), value);
        return value;
    }

    /// Lines of `name:value`.
    void read(std::string_view text)
    {
        while (!text.empty()) {
            const auto end = text.find("\r\n");
            const std::string_view line = text.substr(0, end);
            const auto colon = line.find(':');
            const std::string_view name = line.substr(0, colon);
            const std::string_view value =
                colon == line.npos ? std::string_view{} : line.substr(colon + 1);
            if (name == "run_id")
                info_.run_id = value;
            else if (name == "redis_version")
                info_.version = value;
            else if (name == "uptime_in_seconds")
                info_.uptime = std::chrono::seconds{number(value)};
            text.remove_prefix(end == text.npos ? text.size() : end + 2);
        }
    }

    std::vector<std::vector<std::string>> commands_;
    std::vector<what> steps_;
    std::size_t next_ = 0;
    error_code code_;
    std::string text_;
    redis::server_info info_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
