#ifndef HEADGATE_REDIS_SCRIPT_HPP
#define HEADGATE_REDIS_SCRIPT_HPP

#include <headgate/detail/config.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE::redis {

/// A Lua script for `client::async_eval`. Its text crosses the network once for each Redis that has
/// not seen it; after that only its SHA-1 does, which Redis itself has said.
///
/// @par Thread safety
/// Copies share what they know, and may be used from any thread.
class script {
public:
    /// A script of that text.
    explicit script(std::string source) : shared_{std::make_shared<shared>(std::move(source))} {}

    /// The text.
    const std::string& source() const noexcept { return shared_->source; }

    /// The SHA-1 that Redis knows it by; empty as long as no Redis has said it.
    std::string sha1() const
    {
        std::lock_guard lock{shared_->mutex};
        return shared_->sha1;
    }

    /// For clients, which are told by Redis.
    void learn_sha1(std::string value) const
    {
        std::lock_guard lock{shared_->mutex};
        shared_->sha1 = std::move(value);
    }

private:
    struct shared {
        explicit shared(std::string&& text) : source{std::move(text)} {}
        const std::string source;
        std::mutex mutex;
        std::string sha1;
    };

    std::shared_ptr<shared> shared_;
};

} // namespace HEADGATE_NAMESPACE::redis

#endif
