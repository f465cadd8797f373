#ifndef HEADGATE_DETAIL_CURL_RESULT_HPP
#define HEADGATE_DETAIL_CURL_RESULT_HPP

#include <headgate/detail/config.hpp>
#include <headgate/error.hpp>
#include <headgate/http/error.hpp>

#include <curl/curl.h>

namespace HEADGATE_NAMESPACE::detail {

/// The version of HTTP as a response has it, such as 11, of what libcurl calls it; 0 if unknown.
inline int http_version(long version) noexcept
{
    switch (version) {
    case CURL_HTTP_VERSION_1_0:
        return 10;
    case CURL_HTTP_VERSION_1_1:
        return 11;
    case CURL_HTTP_VERSION_2_0:
        return 20;
    case CURL_HTTP_VERSION_3:
        return 30;
    default:
        return 0;
    }
}

/// What a transfer that has failed is called, as far as libcurl alone says.
inline error_code error_of(CURLcode result)
{
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return http::error::resolve_failed;
    case CURLE_COULDNT_CONNECT:
        return http::error::connect_failed;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return http::error::tls_failed;
    case CURLE_OPERATION_TIMEDOUT:
        return http::error::timed_out;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return http::error::connection_lost;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return http::error::bad_answer;
    case CURLE_BAD_CONTENT_ENCODING:
        return http::error::bad_content_encoding;
    default:
        return http::error::failed;
    }
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
