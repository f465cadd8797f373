#ifndef HEADGATE_DETAIL_PAGE_FAILURE_HPP
#define HEADGATE_DETAIL_PAGE_FAILURE_HPP

#include <headgate/detail/bounds.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/origin_guard.hpp>
#include <headgate/detail/retry_policy.hpp>
#include <headgate/error.hpp>
#include <headgate/http/error.hpp>
#include <headgate/http/response.hpp>
#include <headgate/outcome.hpp>
#include <headgate/page_parser.hpp>

#include <exception>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Why a try for a page came to nothing, and whether another may do better.
class page_failure {
public:
    /// No answer came.
    page_failure(error_code failed, const http::response& response, bool may_be_tried_again)
        : reason_{response.error_text()}, may_pass_{may_be_tried_again}
    {
        if (failed == http::error::body_too_large || failed == http::error::headers_too_large)
            code_ = outcome_code::bound_exceeded;
        else if (failed == http::error::private_address)
            code_ = outcome_code::foreign_origin;
    }

    /// An answer came that is of no use, as the exception that is being handled says.
    explicit page_failure(const http::response& response)
    {
        try {
            throw;
        } catch (const unreadable_body& e) {
            reason_ = e.what();
            may_pass_ = true;
        } catch (const bound_exceeded& e) {
            reason_ = e.what();
            code_ = outcome_code::bound_exceeded;
        } catch (const foreign_origin& e) {
            reason_ = e.what();
            code_ = outcome_code::foreign_origin;
        } catch (const std::exception& e) {
            reason_ = e.what();
            may_pass_ = retry_policy::may_pass(response);
        }
    }

    /// The same, where it is not tried again because all pages together have failed too often.
    page_failure without_budget() const
    {
        page_failure result{*this};
        result.reason_ += "; the retry budget is used up";
        return result;
    }

    const std::string& reason() const noexcept { return reason_; }
    bool may_pass() const noexcept { return may_pass_; }
    outcome_code code() const noexcept { return code_; }

private:
    std::string reason_;
    bool may_pass_ = false;
    outcome_code code_ = outcome_code::page_failed;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
