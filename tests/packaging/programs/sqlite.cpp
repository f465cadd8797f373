// A checkpoint, which takes SQLite to link, in a directory that there is not.
#include <headgate/sqlite/checkpoint.hpp>

#include <exception>
#include <iostream>

int main()
try {
    const headgate::sqlite::checkpoint kept{"there/is/no/such/directory/checkpoint", "a job"};
    return 1;
} catch (const headgate::sqlite::checkpoint_error& e) {
    const bool right = e.code() == headgate::sqlite::checkpoint_error_code::io;
    std::cout << "sqlite: " << e.what() << '\n';
    return right ? 0 : 1;
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
