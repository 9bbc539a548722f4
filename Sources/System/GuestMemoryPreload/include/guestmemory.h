/* This library has no interface to link against: it is loaded by LD_PRELOAD and talked to over a
 * socket, as CLinux/include/preload_protocol.h says. */
