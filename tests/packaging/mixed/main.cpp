#include "part.hpp"

int main()
{
    return holds(headgate::permit{}) ? 1 : 0;
}
