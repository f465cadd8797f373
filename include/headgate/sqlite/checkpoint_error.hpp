#ifndef HEADGATE_SQLITE_CHECKPOINT_ERROR_HPP
#define HEADGATE_SQLITE_CHECKPOINT_ERROR_HPP

#include <headgate/detail/config.hpp>

#include <stdexcept>
#include <string>

namespace HEADGATE_NAMESPACE::sqlite {

/// Why a checkpoint cannot be used.
enum class checkpoint_error_code {
    other_job = 1,    ///< it is a checkpoint of another job
    other_version,    ///< another version of headgate wrote it, with another layout
    damaged,          ///< what it holds is not what was written
    in_use,           ///< another process has it open, or another object of this one
    not_a_checkpoint, ///< the file is another program's, or empty
    io,               ///< it cannot be opened, read or written
};

/// Thrown by `sqlite::checkpoint`; `what` names the file and says what is the matter with it.
class checkpoint_error : public std::runtime_error {
public:
    /// Of that code, with a text that names the file.
    checkpoint_error(checkpoint_error_code code, const std::string& text)
        : std::runtime_error{text}, code_{code}
    {
    }

    /// Which of them it is.
    checkpoint_error_code code() const noexcept { return code_; }

private:
    checkpoint_error_code code_;
};

} // namespace HEADGATE_NAMESPACE::sqlite

#endif
