#include "part.hpp"

bool holds(const headgate::permit& permit)
{
    return static_cast<bool>(permit);
}
