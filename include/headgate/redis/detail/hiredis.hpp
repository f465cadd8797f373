#ifndef HEADGATE_REDIS_DETAIL_HIREDIS_HPP
#define HEADGATE_REDIS_DETAIL_HIREDIS_HPP

// The one place that knows how hiredis' versions differ.

#include <headgate/detail/config.hpp>
#include <headgate/redis/client_options.hpp>
#include <headgate/redis/reply.hpp>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// TLS came with hiredis 1.0, in a library of its own, hiredis_ssl, that stands on OpenSSL. Having
// its header does not say that it is linked, so that the CMake target defines HEADGATE_REDIS_TLS
// where it links it. Whoever builds otherwise does it in all translation units alike.
#if defined(HEADGATE_REDIS_TLS)
#if HIREDIS_MAJOR < 1 || !__has_include(<hiredis/hiredis_ssl.h>)
#error "HEADGATE_REDIS_TLS needs hiredis 1.0 or later with its hiredis_ssl"
#endif
#define HEADGATE_DETAIL_REDIS_TLS
#include <hiredis/hiredis_ssl.h>
#include <openssl/ssl.h>
#endif

namespace HEADGATE_NAMESPACE::detail {

/// A value of its own of what hiredis has read. hiredis nests arrays no deeper than nine.
inline redis::reply to_reply(const redisReply& from)
{
    using redis::reply;
    const auto text = [&from] {
        return from.str ? std::string{from.str, static_cast<std::size_t>(from.len)} : std::string{};
    };
    switch (from.type) {
    case REDIS_REPLY_STRING:
        return reply::of(reply::kind::string, text());
    case REDIS_REPLY_STATUS:
        return reply::of(reply::kind::status, text());
    case REDIS_REPLY_ERROR:
        return reply::of(reply::kind::error, text());
    case REDIS_REPLY_INTEGER:
        return reply::of(static_cast<std::int64_t>(from.integer));
    case REDIS_REPLY_ARRAY: {
        std::vector<reply> elements;
        elements.reserve(from.elements);
        for (std::size_t i = 0; i < from.elements; ++i)
            elements.push_back(from.element[i] ? to_reply(*from.element[i]) : reply{});
        return reply::of(std::move(elements));
    }
    default:
        return {};
    }
}

#if defined(HEADGATE_DETAIL_REDIS_TLS)

inline constexpr bool redis_has_tls = true;

/// Begins TLS on a connection that is being made. The certificate has to be of that host.
/// @return what went wrong, empty if nothing
inline std::string begin_redis_tls(redisAsyncContext& context, const redis::client_options& options)
{
    const auto free_context = [](SSL_CTX* it) { SSL_CTX_free(it); };
    const std::unique_ptr<SSL_CTX, decltype(free_context)> settings{
        SSL_CTX_new(TLS_client_method()), free_context};
    if (!settings)
        return "TLS cannot be used";
    const std::string& file = options.ca_file();
    const int trusted = file.empty()
                            ? SSL_CTX_set_default_verify_paths(settings.get())
                            : SSL_CTX_load_verify_locations(settings.get(), file.c_str(), nullptr);
    if (trusted != 1)
        return "the certificates to trust cannot be read: " +
               (file.empty() ? "the system's" : file);
    SSL_CTX_set_verify(settings.get(), SSL_VERIFY_PEER, nullptr);
    SSL* const session = SSL_new(settings.get());
    if (!session)
        return "TLS cannot be used";
    const std::string& name = options.host();
    const bool is_address =
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), name.c_str()) == 1;
    if (!is_address && (SSL_set1_host(session, name.c_str()) != 1 ||
                        SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                 const_cast<char*>(name.c_str())) != 1)) {
        SSL_free(session);
        return "TLS cannot be used with the host " + name;
    }
    if (redisInitiateSSL(&context.c, session) != REDIS_OK) {
        SSL_free(session); // which is taken over only if that succeeds
        return context.c.errstr;
    }
    return {};
}

#else

inline constexpr bool redis_has_tls = false;

inline std::string begin_redis_tls(redisAsyncContext&, const redis::client_options&)
{
    return "this hiredis has no TLS";
}

#endif

} // namespace HEADGATE_NAMESPACE::detail

#endif
