#ifndef PARENT_ASIO
#error "headgate did not take the asio::asio of its parent"
#endif

int main() {}
