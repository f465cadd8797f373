// What two parts of a program share.
#include <headgate/permit.hpp>

bool holds(const headgate::permit& permit);
