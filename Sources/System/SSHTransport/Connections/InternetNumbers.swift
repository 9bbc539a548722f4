/// The protocol number of TCP (RFC 9293; netinet/in.h), for options of its sockets.
///
/// The C library and libssh both declare it, and which of the two a file sees depends on what was
/// imported before.
// swift-format-ignore: AlwaysUseLowerCamelCase
let IPPROTO_TCP: CInt = 6
