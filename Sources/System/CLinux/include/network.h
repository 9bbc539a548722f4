/* Tap devices (Documentation/networking/tuntap.rst) and bridge ports (SIOCBRADDIF). */
#ifndef CLINUX_NETWORK_H
#define CLINUX_NETWORK_H

#include <stdint.h>

/* The longest interface name, with its terminating zero (IFNAMSIZ). */
enum { clinux_interface_name_size = 16 };

/* An open tap device with virtio-net headers, named by the kernel after `pattern` such as "lm%d";
 * the name is written back. The device goes away with its last descriptor. */
int clinux_tap_open(char *_Nonnull name);

/* Attaches an interface to a bridge and sets it up. */
int clinux_bridge_attach(const char *_Nonnull bridge, const char *_Nonnull interface_name);

/* 1 when the interface exists and is a bridge, else 0. */
int clinux_is_bridge(const char *_Nonnull name);

#endif
